import pytest

from phiz.engine import Engine
from phiz.errors import OptionError
from phiz.faces import DetectOptions
from phiz.image import Limits
from phiz.timings import Stopwatch


class Silent:
    """A detector that is never asked."""

    def detect(self, *_: object) -> None:
        raise AssertionError("the option is refused before the picture is opened")


def test_a_budget_is_for_the_router_alone() -> None:
    engine = Engine({"front": Silent()}, Limits(100, 100))  # type: ignore[dict-item]  # on purpose
    with pytest.raises(OptionError, match="only 'auto' takes budget_ms"):
        engine.detect(b"", "front", DetectOptions(budget_ms=5), Stopwatch())
