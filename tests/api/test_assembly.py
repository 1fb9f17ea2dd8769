import pytest

from phiz.api.assembly import choose_worker_count


@pytest.mark.parametrize(
    ("limit_bytes", "expected"),
    [(float("inf"), 8), (2 * 2**30, 8), (2**30, 2), (512 * 2**20, 1), (1, 1)],
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
