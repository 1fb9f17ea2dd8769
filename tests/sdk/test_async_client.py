import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, assert_type

import pytest

import phiz
from phiz.errors import (
    OverloadedError,
    ServiceConnectionError,
    UnsupportedImageError,
)
from phiz.options import DETECT_OPTIONS
from phiz.sdk.async_client import AsyncClient
from phiz.sdk.client import Client
from phiz.sdk.local import LocalEngine
from tests.service.running import GROUP, SELFIE, Running

from .server import problem, refusing_each_third, serving

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(service: Running) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.url) as client:
        yield client


def test_both_clients_have_the_same_methods() -> None:
    def describe(kind: type[Any]) -> dict[str, Any]:
        return {
            name: list(inspect.signature(method).parameters.values())
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and name not in {"close", "aclose", "detect_many"}
        }

    assert describe(Client) == describe(AsyncClient)
    assert {"detect", "detect_batch", "annotate", "crop", "blur", "classify", "models"} < describe(
        Client
    ).keys()
    several = [inspect.signature(kind.detect_many).parameters for kind in (Client, AsyncClient)]
    assert list(several[0]) == list(several[1])


@pytest.mark.parametrize("model", DETECT_OPTIONS["model"].choices)
async def test_answers_over_http_are_those_in_process(
    client: AsyncClient, local: LocalEngine, model: str
) -> None:
    result = await client.detect(GROUP, model, details="all")
    assert_type(result, phiz.DetectionResult)
    assert result == local.detect(GROUP, model, details="all")


async def test_other_calls_answer_as_those_of_the_other_client(
    client: AsyncClient, service: Running
) -> None:
    with Client(service.url) as other:
        found = await client.classify(SELFIE, "mobilenet", precision="float32", top=2)
        assert found == other.classify(SELFIE, "mobilenet", precision="float32", top=2)
        assert await client.models() == other.models()
        assert await client.annotate(GROUP, "front") == other.annotate(GROUP, "front")
        assert await client.crop(GROUP, size=64) == other.crop(GROUP, size=64)
        assert await client.blur(SELFIE, kind="solid") == other.blur(SELFIE, kind="solid")
        first, wrong = await client.detect_batch([SELFIE, b"no image"], "front")
        assert first == other.detect(SELFIE, "front")
    assert isinstance(wrong, UnsupportedImageError)
    assert await client.is_healthy()
    assert await client.is_ready()


async def test_errors_are_those_of_the_service(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedImageError) as caught:
        await client.detect(b"no image")
    assert caught.value.status == 415
    with pytest.raises(FileNotFoundError):
        await client.detect(tmp_path / "none.jpg")


async def test_many_are_all_answered_in_order_by_a_service_that_refuses_a_third(
    service: Running, numbered: dict[tuple[int, int], bytes]
) -> None:
    async def give() -> AsyncIterator[bytes]:
        for image_bytes in numbered.values():
            await asyncio.sleep(0)
            yield image_bytes

    with refusing_each_third(service.url, "0", "Sun, 06 Nov 1994 08:49:37 GMT") as served:
        async with AsyncClient(served.url) as client:
            outcomes = [outcome async for outcome in client.detect_many(give(), "front")]
    results = [each for each in outcomes if isinstance(each, phiz.DetectionResult)]
    assert [(result.width, result.height) for result in results] == list(numbered)
    assert all(len(result.faces) == 1 for result in results)
    assert len(served.asked) == 179  # 59 of them were refused


async def test_attempts_are_bounded_and_lost_connections_told() -> None:
    with serving(lambda _: problem(503, "overloaded", "busy", Retry_After="0")) as served:
        async with AsyncClient(served.url, attempts=3) as client:
            with pytest.raises(OverloadedError):
                await client.detect(b"image")
            assert not await client.is_ready()
        assert len(served.asked) == 4
    async with AsyncClient(served.url, attempts=2) as client:
        with pytest.raises(ServiceConnectionError, match=f"no answer from {served.url}"):
            await client.detect(b"image")
        assert not await client.is_healthy()


async def test_tasks_share_a_client_and_one_that_is_cancelled_harms_no_other(
    client: AsyncClient, local: LocalEngine
) -> None:
    tasks = [asyncio.create_task(client.detect(SELFIE, "front")) for _ in range(8)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(3), asyncio.CancelledError)
    assert found == [local.detect(SELFIE, "front")] * 7
