import itertools
from collections.abc import Iterator
from threading import Event

import pytest

from phiz.video.newest import NewestItems


def test_items_that_are_taken_in_time_are_all_there() -> None:
    taken = Event()

    def count() -> Iterator[int]:
        for number in range(5):
            taken.clear()
            yield number
            taken.wait()

    newest = NewestItems(count())
    found = []
    for number in newest:
        found.append(number)
        taken.set()
    assert (found, newest.dropped) == ([0, 1, 2, 3, 4], 0)


def test_slow_reader_gets_the_newest_item() -> None:
    all_read = Event()

    def count() -> Iterator[int]:
        yield from range(5)
        all_read.set()

    newest = NewestItems(count())
    items = iter(newest)
    found = [next(items)]
    all_read.wait()
    found += items
    assert found in ([number, 4] if number < 4 else [4] for number in range(5))
    assert newest.dropped == 5 - len(found)


def test_source_is_left_when_no_more_is_wanted() -> None:
    numbers = itertools.count()
    newest = NewestItems(numbers)
    next(iter(newest))
    newest.close()
    last = next(numbers)
    assert next(numbers) == last + 1  # nobody else reads it


def test_error_of_the_source_is_raised_after_its_last_item() -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = iter(NewestItems(fail()))
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)
