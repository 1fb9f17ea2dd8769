from itertools import chain

from phiz.api.compat.routes import INTERFACES_BY_NAME
from phiz.api.security.guard import get_needed_scope
from phiz.settings import INTERFACES
from tests.api.client import Client

REFUSALS = list(chain.from_iterable(each.refusals for each in INTERFACES_BY_NAME.values()))


def test_every_setting_has_its_interface() -> None:
    assert tuple(INTERFACES_BY_NAME) == INTERFACES


def test_refusals_need_the_scope_of_images() -> None:
    assert len(REFUSALS) > 3
    for route in REFUSALS:
        assert get_needed_scope(route.path) == "detect"


def test_refusals_are_not_described(client: Client) -> None:
    described = client.ask("GET", "/openapi.json").json()["paths"].keys()
    assert not described & {route.path for route in REFUSALS}
