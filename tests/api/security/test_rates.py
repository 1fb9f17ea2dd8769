import pytest

from phiz.api.security.rates import MAX_CLIENTS, Rate, RateLimiter, parse_rate_setting
from phiz.errors import SettingError

TWO = Rate(2, 1, 3)  # in a second, three at once


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/s", Rate(20, 1, 20)),
        ("1000/m", Rate(1000, 60, 1000)),
        ("1/h", Rate(1, 3600, 1)),
        ("20/s burst=40", Rate(20, 1, 40)),
        (None, None),
    ],
)
def test_setting_is_a_rate(text: str | None, rate: Rate | None) -> None:
    assert parse_rate_setting(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "20",
        "20/d",
        "0/s",
        "-1/s",
        "1.5/s",
        "1000001/s",
        "²/s",
        "20/s 40",
        "20/s burst=0",
        "20/s b=1",
    ],
)
def test_other_settings_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(SettingError, match=r"PHIZ_RATE is '.*': the (rate|burst) is not") as caught:
        parse_rate_setting(text)
    assert text in str(caught.value)


def test_burst_is_allowed_and_then_one_in_each_interval() -> None:
    limiter = RateLimiter()
    assert [limiter.take("a", TWO, 100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert limiter.take("a", TWO, 100.4) == pytest.approx(0.1)
    assert limiter.take("a", TWO, 100.5) == 0
    assert limiter.take("a", TWO, 100.5) == pytest.approx(0.5)


def test_pause_fills_the_burst_and_no_more() -> None:
    limiter = RateLimiter()
    limiter.take("a", TWO, 100.0)
    waits = [limiter.take("a", TWO, 10_000.0) for _ in range(4)]
    assert [wait > 0 for wait in waits] == [False, False, False, True]


def test_refused_requests_cost_nothing() -> None:
    limiter = RateLimiter()
    for _ in range(100):
        limiter.take("a", TWO, 100.0)
    assert limiter.take("a", TWO, 100.5) == 0


def test_clients_have_rates_of_their_own() -> None:
    limiter = RateLimiter()
    for _ in range(3):
        limiter.take("a", TWO, 100.0)
    assert limiter.take("a", TWO, 100.0) > 0
    assert limiter.take("b", TWO, 100.0) == 0


def test_images_of_a_batch_are_paid_afterwards() -> None:
    limiter = RateLimiter()
    assert limiter.take("a", TWO, 100.0) == 0
    limiter.charge("a", TWO, 100.0, 15)
    assert limiter.take("a", TWO, 100.0) == pytest.approx(7.0)  # 16 of 2 in a second, and a burst
    assert limiter.take("a", TWO, 107.0) == 0


def test_memory_is_bounded_and_the_oldest_client_is_forgotten() -> None:
    limiter = RateLimiter()
    once = Rate(1, 3600, 1)
    for number in range(MAX_CLIENTS):
        limiter.take(str(number), once, 100.0)
    assert limiter.take("0", once, 100.0) > 0
    assert limiter.take("new", once, 100.0) == 0
    assert limiter.take("0", once, 100.0) == 0
    assert limiter.take("2", once, 100.0) > 0
