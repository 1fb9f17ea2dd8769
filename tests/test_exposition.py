"""The checks of an exposition find what is wrong with one."""

import pytest

from .exposition import check_openmetrics, check_text

COUNTER = """# HELP asked_total Requests.
# TYPE asked_total counter
asked_total{model="a"} 1.0
"""
HISTOGRAM = """# HELP took_seconds Their time.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 1.0
took_seconds_bucket{le="+Inf"} 2.0
took_seconds_count 2.0
took_seconds_sum 0.3
"""


def test_a_well_formed_exposition_is_parsed() -> None:
    families = check_text(COUNTER + HISTOGRAM)
    assert {name: family.type for name, family in families.items()} == {
        "asked": "counter",
        "took_seconds": "histogram",
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(COUNTER + COUNTER, id="a-family-twice"),
        pytest.param(COUNTER + 'asked_total{model="a"} 2.0\n', id="a-sample-twice"),
        pytest.param(COUNTER + "other 1.0\n", id="a-sample-not-announced"),
        pytest.param(COUNTER.replace("# HELP asked_total Requests.\n", ""), id="no-help"),
        pytest.param(COUNTER.replace("# TYPE asked_total counter\n", ""), id="no-type"),
        pytest.param(COUNTER.replace("counter", "untyped"), id="an-unknown-type"),
        pytest.param(COUNTER.replace("counter", "gauge"), id="a-gauge-with-a-counters-name"),
        pytest.param(COUNTER.replace(" 1.0", " -1.0"), id="a-negative-counter"),
        pytest.param(HISTOGRAM.replace('0.1"} 1.0', '0.1"} 3.0'), id="buckets-that-fall"),
        pytest.param(HISTOGRAM.replace("count 2.0", "count 3.0"), id="a-count-of-no-bucket"),
        pytest.param(HISTOGRAM.replace('"+Inf"', '"0.2"'), id="no-last-bucket"),
    ],
)
def test_a_text_exposition_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        check_text(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "EOF", id="no-end"),
        pytest.param("asked{model=} 1.0\n# EOF\n", "label", id="no-value"),
        pytest.param(f"{COUNTER}# EOF\n", "Clashing", id="a-counters-suffix"),
    ],
)
def test_openmetrics_that_do_not_parse_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_openmetrics(text)
