import asyncio

import httpx
import pytest

from phiz.api.app import create_app
from phiz.api.compat.routes import IMAGE_OPERATIONS, choose_operations
from phiz.api.service import RequestLimits
from phiz.settings import INTERFACES, InterfaceName

PATHS = {
    "deepstack": "/v1/vision/face",
    "compreface": "/api/v1/detection/detect",
    "kserve": "/v2",
}


@pytest.mark.parametrize("name", [None, *INTERFACES])
def test_application_has_the_chosen_interfaces_alone(name: InterfaceName | None) -> None:
    chosen = [] if name is None else [name]
    app = create_app(("unused",), 1, RequestLimits(1), interfaces=chosen)
    methods = app.state.methods.keys()
    assert {other for other, path in PATHS.items() if path in methods} == {*chosen}
    others = {PATHS[other] for other in INTERFACES if other not in chosen}
    assert choose_operations(methods).keys() == IMAGE_OPERATIONS.keys() - others
    assert not others & app.openapi()["paths"].keys()


@pytest.mark.parametrize("path", [*PATHS.values(), "/v1/vision/face/list", "/v2/models/auto"])
def test_interface_that_is_off_is_not_there(path: str) -> None:
    app = create_app(("unused",), 1, RequestLimits(1), interfaces=())

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://phiz") as http:
            return await http.post(path)

    response = asyncio.run(ask())
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
