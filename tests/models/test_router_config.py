from typing import Any

import pytest

from phiz.errors import CatalogError
from phiz.models import catalog, router_config
from phiz.models.router_config import (
    BoxCalibration,
    CrowdPrior,
    LogisticWeights,
    PyramidStageConfig,
    parse_router_config,
)

FIRST_PASS = {
    "standalone": {"bias": 1, "score": 2, "relative_size": -1},
    "unconfirmed": {"bias": 0, "score": 1, "relative_size": 0},
    "cascade": {
        "bias": 0,
        "pnet": 1,
        "rnet": 2,
        "onet": 3,
        "first_pass_score": 4,
        "missed_size": -5,
    },
}
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
        "crowd_prior": {"slope": 1.5, "max_others": 3},
        "operating_point": POINT,
        "cascade": {"factor": 0.6, "pnet_score": 0.7, "rnet_score": 0.5, "onet_score": 0.1},
        "close_up": {
            "min_side_share": 0.2,
            "min_best_score": 0.7,
            "min_score": 0.2,
            "min_onet_score": 0.5,
        },
        "pyramid_stages": [{"min_face_px": 40, "min_expected_gain": 0}],
        "first_pass": {"back": FIRST_PASS},
        "box_calibration": {"back": {"left": 0.1, "top": 0, "right": 0, "bottom": 0}},
        **changes,
    }


def test_numbers_become_records() -> None:
    config = parse_router_config(document())
    assert config.cascade_min_scores == (0.7, 0.5, 0.1)
    assert config.crowd_prior == CrowdPrior(1.5, 3)
    assert config.operating_point.recall["hard"] == 0.6
    assert config.pyramid_stages == (PyramidStageConfig(40, 0),)
    assert config.first_pass["back"].standalone == LogisticWeights(1, (2, -1))
    assert config.first_pass["back"].cascade == LogisticWeights(0, (1, 2, 3, 4, -5))
    assert config.box_calibration["back"] == BoxCalibration((0.1, 0, 0, 0), 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"min_score": 2}, "min_score is 2", id="a score above 1"),
        pytest.param(
            {"close_up": {"min_side_share": 1}},
            "close_up lacks min_best_score, min_onet_score, min_score",
            id="an entry is missing",
        ),
        pytest.param({"extra": 1}, "unknown entry extra", id="an entry is unknown"),
        pytest.param(
            {"first_pass": {"back": {**FIRST_PASS, "x": 1}}},
            "first_pass.back",
            id="in a first pass",
        ),
        pytest.param(
            {
                "first_pass": {
                    "back": {
                        **FIRST_PASS,
                        "standalone": {"bias": 0, "score": -1, "relative_size": 0},
                    }
                }
            },
            "score is -1; it must be above 0",
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
    assert set(config.first_pass) < set(config.box_calibration) == names
    assert [stage.min_face_px for stage in config.pyramid_stages] == sorted(
        (stage.min_face_px for stage in config.pyramid_stages), reverse=True
    )
