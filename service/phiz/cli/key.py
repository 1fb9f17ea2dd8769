"""``phiz key``: create an API key."""

import click

SCOPE_NAMES = ("detect", "metrics", "docs")


@click.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPE_NAMES),
    help="Scope of the key; may be repeated.  [default: detect]",
)
@click.option("--rate", default="", metavar="COUNT/s", help="Rate of the key, such as 20/s.")
def key(name: str, scopes: tuple[str, ...], rate: str) -> None:
    """Create an API key with this NAME.

    The key goes to standard error, and is stored nowhere. Its line for the file of PHIZ_API_KEYS
    goes to standard output:

    \b
      phiz key alice --scope detect --scope docs --rate 20/s >> keys.txt
    """  # noqa: D301  click keeps the lines after a true backspace character
    from phiz.api.security.keys import create_key, format_line  # noqa: PLC0415  slow to load

    created = create_key()
    click.echo(format_line(created, name, scopes, rate))
    click.echo(f"the key of {name}, which is shown only now: {created}", err=True)
