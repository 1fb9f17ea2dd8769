from collections.abc import Iterator

import pytest

from phiz.api.app import create_app

from .client import SIZE_WH, Client, encoded, mirrors, started


@pytest.fixture
def client() -> Iterator[Client]:
    with started(create_app(mirrors, threads=2)) as client:
        yield client


@pytest.fixture(scope="session")
def png() -> bytes:
    return encoded(SIZE_WH)
