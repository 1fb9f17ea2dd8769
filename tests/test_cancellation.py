import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from phiz.cancellation import WorkEndedError, checkpoint, set_check
from phiz.image.decode import open_image
from phiz.image.integral import compute_integral
from phiz.image.limits import DecodingLimits
from phiz.timings import Stopwatch
from phiz.workers.interleave import Interleaver, yield_turn

SEVERAL_BANDS_HW = (600, 1000)


class Countdown:
    """A check that ends the work at the last of some checkpoints."""

    def __init__(self, checkpoints: int) -> None:
        self.left = checkpoints

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise WorkEndedError


@pytest.fixture(autouse=True)
def _no_check() -> Iterator[None]:
    yield
    set_check(None)


def test_checkpoint_without_a_check_does_nothing() -> None:
    checkpoint()


def test_work_ends_at_the_checkpoint_whose_check_ends_it() -> None:
    set_check(Countdown(2))
    checkpoint()
    with pytest.raises(WorkEndedError):
        checkpoint()


def test_no_handler_of_failures_takes_it_for_one() -> None:
    assert not issubclass(WorkEndedError, Exception)


def test_each_lap_is_a_checkpoint() -> None:
    stopwatch = Stopwatch()
    set_check(Countdown(2))
    stopwatch.lap("decode")
    with pytest.raises(WorkEndedError):
        stopwatch.lap("inference")


def test_integral_of_a_large_image_has_checkpoints_within() -> None:
    set_check(Countdown(3))
    with pytest.raises(WorkEndedError):
        compute_integral(np.zeros(SEVERAL_BANDS_HW, np.uint32))


def test_decoding_a_large_image_has_checkpoints_within() -> None:
    file = io.BytesIO()
    Image.new("RGB", SEVERAL_BANDS_HW[::-1]).save(file, "PNG")
    set_check(Countdown(3))
    with pytest.raises(WorkEndedError):
        open_image(file.getvalue(), DecodingLimits(10**7, 10**7))


def test_interleaved_jobs_have_a_check_each() -> None:
    def work(checkpoints: int) -> str:
        set_check(Countdown(checkpoints))
        try:
            for _ in range(3):
                yield_turn()
                checkpoint()
        except WorkEndedError:
            return "ended"
        return "done"

    jobs = [lambda: work(9), lambda: work(2), lambda: work(9)]
    interleaver: Interleaver[str] = Interleaver()
    for _ in range(2):  # the greenlets are used again
        assert interleaver.run_all(jobs) == ["done", "ended", "done"]
