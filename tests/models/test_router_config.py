from typing import Any

import pytest

from phiz.errors import CatalogError
from phiz.models import catalog, router_config
from phiz.models.router_config import CompanyRule, Convention, FlightCard, Weights, parse_router

GLANCE = {
    "alone": {"bias": 1, "score": 2, "share": -1},
    "unconfirmed": {"bias": 0, "score": 1, "share": 0},
    "cascade": {"bias": 0, "pnet": 1, "rnet": 2, "onet": 3, "seen": 4, "unseen": -5},
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
        "company": {"slope": 1.5, "most": 3},
        "operating_point": POINT,
        "cascade": {"factor": 0.6, "pnet_score": 0.7, "rnet_score": 0.5, "onet_score": 0.1},
        "near": {"share": 0.2, "best": 0.7, "hint": 0.2, "confirmed": 0.5},
        "flights": [{"faces_px": 40, "promise": 0}],
        "glances": {"back": GLANCE},
        "conventions": {"back": {"left": 0.1, "top": 0, "right": 0, "bottom": 0}},
        **changes,
    }


def test_numbers_become_records() -> None:
    card = parse_router(document())
    assert card.min_scores == (0.7, 0.5, 0.1)
    assert card.company == CompanyRule(1.5, 3)
    assert card.operating_point.recall["hard"] == 0.6
    assert card.flights == (FlightCard(40, 0),)
    assert card.glances["back"].alone == Weights(1, (2, -1))
    assert card.glances["back"].cascade == Weights(0, (1, 2, 3, 4, -5))
    assert card.conventions["back"] == Convention((0.1, 0, 0, 0), 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"min_score": 2}, "min_score is 2", id="a score above 1"),
        pytest.param(
            {"near": {"share": 1}}, "near lacks best, confirmed, hint", id="an entry is missing"
        ),
        pytest.param({"extra": 1}, "unknown entry extra", id="an entry is unknown"),
        pytest.param({"glances": {"back": {**GLANCE, "x": 1}}}, "glances.back", id="in a glance"),
        pytest.param(
            {"glances": {"back": {**GLANCE, "alone": {"bias": 0, "score": -1, "share": 0}}}},
            "score is -1; it must be above 0",
            id="a scale that falls",
        ),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        parse_router(document(**changes))


def test_a_file_that_is_not_there_is_refused(tmp_path: Any) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        router_config.load(tmp_path / "none.toml")


def test_the_numbers_are_about_models_of_the_catalogue() -> None:
    card = router_config.load()
    names = {model.name for model in catalog.load().group("face")}
    assert set(card.glances) < set(card.conventions) == names
    assert [flight.faces_px for flight in card.flights] == sorted(
        (flight.faces_px for flight in card.flights), reverse=True
    )
