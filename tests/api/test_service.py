import pytest

from phiz.api.service import BodyLimits, RequestLimits


def test_body_with_one_image_is_as_large_as_the_image() -> None:
    limits = RequestLimits(100, max_images=4, body_timeout_s=3)
    assert limits.for_image() == BodyLimits(1, 100, 100, 3)


@pytest.mark.parametrize(
    ("max_queued", "max_images"),
    [
        pytest.param(None, 4, id="queue-without-limit"),
        pytest.param(5, 4, id="long-queue"),
        pytest.param(3, 3, id="short-queue"),
    ],
)
def test_batch_has_no_more_images_than_the_queue(max_queued: int | None, max_images: int) -> None:
    limits = RequestLimits(100, max_images=4, body_timeout_s=3, max_queued=max_queued)
    assert limits.for_batch() == BodyLimits(max_images, 100, 200, 3)
