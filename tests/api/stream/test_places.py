from contextlib import ExitStack

import pytest

from phiz.api.stream.places import StreamPlaces
from phiz.errors import OverloadedError


def test_stream_beyond_the_limit_is_refused_until_another_ends() -> None:
    places = StreamPlaces(2)
    with places.enter():
        with places.enter(), pytest.raises(OverloadedError, match="limit of 2 open streams"):
            ExitStack().enter_context(places.enter())
        assert places.count == 1
        with places.enter():
            assert places.count == 2
    assert places.count == 0
