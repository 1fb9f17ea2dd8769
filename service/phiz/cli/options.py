"""The options of a request as options of a command."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from phiz.options import Option

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def add_options(options: Iterable[tuple[str, Option]]) -> Callable[[CommandT], CommandT]:
    """Return a decorator that gives a command these options, in this order."""
    decorators = [build_option(name, option) for name, option in options]

    def decorate(command: CommandT) -> CommandT:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def build_option(
    name: str,
    option: Option,
    *parameter: str,
    **changes: Any,  # noqa: ANN401  click's own
) -> Callable[[CommandT], CommandT]:
    """Return the decorator of one option.

    Args:
        name: As in a request; a command has hyphens for underscores.
        option: Its values, default and help.
        parameter: Name of the argument of the command, if it has another.
        changes: Arguments of ``click.option`` that a command has instead.
    """
    help_text = option.help
    if option.default_help:
        help_text += f"  [default: {option.default_help}]"
    arguments = {
        "type": _build_type(option),
        "default": option.default,
        "show_default": option.default is not None,
        "help": help_text,
        **changes,
    }
    arguments["help"] = arguments["help"].replace("`", "")
    return click.option(f"--{name.replace('_', '-')}", *parameter, **arguments)


def _build_type(option: Option) -> click.Choice[str] | click.IntRange | click.FloatRange:
    if option.choices:
        return click.Choice(option.choices)
    if option.is_whole:
        return click.IntRange(option.minimum, option.maximum)
    return click.FloatRange(option.minimum, option.maximum)
