from typing import Any

import pytest

from phiz.detectors.factory import ROUTER_MODELS
from phiz.detectors.router import FIRST_MODEL, SEARCH_MODEL
from phiz.errors import CatalogError
from phiz.models import catalog, router_config
from phiz.models.router_config import (
    CloseUpRule,
    CrowdPrior,
    InputSizes,
    RegionRule,
    parse_router_config,
)

CONFIRMED = dict(zip(router_config.CONFIRMED_WEIGHTS, range(1, 8), strict=True))
WEIGHTS = dict(zip(router_config.NETWORK_WEIGHTS, range(1, 6), strict=True))
POINT = {
    "measured_on": "pictures",
    "precision": 0.9,
    "easy": 0.8,
    "medium": 0.7,
    "hard": 0.6,
    "portraits": 1,
    "alarms": 0.1,
}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "min_score": 0.5,
        "crowd_prior": {"slope": 1.5, "max_others": 3, "min_confidence": 0.7},
        "operating_point": POINT,
        "input_sizes": {"first": 320, "whole": 960, "search": 640, "region": 1280},
        "close_up": {"min_side_share": 0.2, "min_best_confidence": 0.7, "min_confidence": 0.3},
        "region": {
            "min_confidence": 0.1,
            "min_confidence_alone": 0.01,
            "max_side_share": 0.04,
            "margin": 3,
        },
        "confidences": {"yunet": WEIGHTS},
        "confirmed": CONFIRMED,
        **changes,
    }


def test_numbers_become_records() -> None:
    config = parse_router_config(document())
    assert config.min_score == 0.5
    assert config.crowd_prior == CrowdPrior(1.5, 3, 0.7)
    assert config.operating_point.recall["hard"] == 0.6
    assert config.input_sizes == InputSizes(320, 960, 640, 1280)
    assert config.close_up == CloseUpRule(0.2, 0.7, 0.3)
    assert config.region == RegionRule(0.1, 0.01, 0.04, 3)
    assert config.confidences == {"yunet": (1, 2, 3, 4, 5)}
    assert config.confirmed == (1, 2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"min_score": 2}, "min_score is 2", id="a score above 1"),
        pytest.param(
            {"close_up": {"min_side_share": 1}},
            "close_up lacks min_best_confidence, min_confidence",
            id="an entry is missing",
        ),
        pytest.param({"extra": 1}, "unknown entry extra", id="an entry is unknown"),
        pytest.param(
            {"confidences": {"yunet": {"bias": 1}}},
            "confidences.yunet lacks score, seen, seen_squared, size",
            id="weights are missing",
        ),
        pytest.param(
            {"confidences": {"yunet": {**WEIGHTS, "score": -1}}},
            "confidences.yunet.score is -1; it must be above 0",
            id="a scale that falls",
        ),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        parse_router_config(document(**changes))


def test_a_file_that_is_not_there_is_refused(tmp_path: Any) -> None:
    with pytest.raises(CatalogError, match="cannot read the router's numbers"):
        router_config.load_router_config(tmp_path / "none.toml")


def test_the_numbers_are_about_models_of_the_catalogue() -> None:
    config = router_config.load_router_config()
    names = {model.name for model in catalog.load_catalog().get_models("face")}
    assert set(config.confidences) == {FIRST_MODEL, SEARCH_MODEL} < set(ROUTER_MODELS) < names
    assert config.input_sizes.first < config.input_sizes.whole < config.input_sizes.region
