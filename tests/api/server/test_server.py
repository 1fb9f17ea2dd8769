import asyncio

import pytest

from phiz.api.server import server


def test_free_memory_is_returned_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> None:
        trims = asyncio.Semaphore(0)
        monkeypatch.setattr(server, "trim_heap", trims.release)
        monkeypatch.setattr(server, "TRIM_INTERVAL_S", 0.01)
        server.keep_heap_trimmed()
        for _ in range(3):
            await trims.acquire()

    asyncio.run(asyncio.wait_for(wait(), 20))
