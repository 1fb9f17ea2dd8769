from typing import Any

import pytest

from phiz.errors import CatalogError
from phiz.models import catalog, router_config
from phiz.models.operating_point import RECALL_SETS, OperatingPoint, read_operating_point
from phiz.models.tables import Table

TABLE = {
    "measured_on": "ten pictures",
    "precision": 0.9,
    "easy": 0.8,
    "medium": 0.7,
    "hard": 0.6,
    "portraits": 1,
    "alarms": 0.1,
}


def read_point(table: dict[str, Any]) -> OperatingPoint:
    return read_operating_point(Table({"operating_point": table}, "x"))


def test_a_table_becomes_a_record() -> None:
    recall = {"easy": 0.8, "medium": 0.7, "hard": 0.6, "portraits": 1.0}
    assert read_point(TABLE) == OperatingPoint("ten pictures", 0.9, recall, 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"alarms": 1.1},
            r"x\.operating_point\.alarms is 1\.1; it must be from 0 to 1",
            id="a share",
        ),
        pytest.param(
            {"hard": "some"}, r"x\.operating_point\.hard is 'some', not a number", id="a number"
        ),
        pytest.param(
            {"measured_on": ""}, r"x\.operating_point\.measured_on is '', not a text", id="a text"
        ),
        pytest.param({"tiny": 0.1}, r"x\.operating_point has the unknown entry tiny", id="unknown"),
    ],
)
def test_wrong_operating_point_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        read_point({**TABLE, **changes})


def test_operating_point_without_an_entry_is_refused() -> None:
    with pytest.raises(
        CatalogError, match=r"x\.operating_point lacks alarms, easy, hard, measured_on, medium"
    ):
        read_point({"precision": 1, "portraits": 1})


def test_every_face_model_says_what_its_limit_means() -> None:
    specs = catalog.load_catalog().get_models("face")
    points = [
        *(spec.operating_point for spec in specs),
        router_config.load_router_config().operating_point,
    ]
    for point in points:
        assert point is not None
        assert list(point.recall) == list(RECALL_SETS)
        # Larger faces are found more often, and a portrait's most of all.
        shares = [point.recall[name] for name in ("hard", "medium", "easy", "portraits")]
        assert shares == sorted(shares)
        assert point.alarms < 0.1
        assert point.precision > 0.8
    assert all(
        spec.operating_point is None for spec in catalog.load_catalog().get_models("classify")
    )
