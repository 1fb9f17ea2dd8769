import pytest

from phiz.api.assembly import build_limits, choose_worker_count
from phiz.settings import Settings


@pytest.mark.parametrize(
    ("limit_bytes", "expected"),
    [(float("inf"), 8), (8 * 2**30, 8), (2 * 2**30, 3), (512 * 2**20, 1), (1, 1)],
)
def test_there_are_no_more_workers_than_there_is_memory_for(
    limit_bytes: float, expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert choose_worker_count(8, limit_bytes, 25_000_000) == expected
    lines = [one.getMessage() for one in caplog.records]
    assert len(lines) == (expected < 8)
    for line in lines:
        assert f"allow only {expected} of 8 workers" in line
        assert "with images of 25000000 pixels" in line


@pytest.mark.parametrize(
    ("spare_bytes", "expected"),
    [
        pytest.param(float("inf"), 80_000_000, id="no-limit"),
        pytest.param(57_000_000, 57_000_000, id="what-the-workers-leave"),
        pytest.param(0, 25_000_000, id="always-one-body"),
    ],
)
def test_bodies_have_no_more_memory_than_the_workers_leave(
    spare_bytes: float, expected: int
) -> None:
    settings = Settings(max_bytes=10_000_000)
    assert build_limits(settings, 10_000, spare_bytes, 1).max_held_bytes == expected
