"""The names of options, as keywords of a call."""

from collections.abc import Iterable
from difflib import get_close_matches


def check_keywords(function: str, names: Iterable[str], known: frozenset[str]) -> None:
    """Return if a function has all of these keywords.

    Args:
        function: Its name, as its caller wrote it.
        names: The keywords of the call.
        known: The keywords that it has.

    Raises:
        TypeError: It lacks one, which Python would find in a class that the caller does not know.
    """
    for name in names:
        if name in known:
            continue
        similar = get_close_matches(name, sorted(known), 1)
        hint = f"did you mean {similar[0]!r}? " if similar else ""
        raise TypeError(
            f"{function}() got an unexpected keyword argument {name!r}; {hint}its options are"
            f" {', '.join(sorted(known))}"
        )
