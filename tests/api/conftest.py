from collections.abc import Iterator

import pytest

from .client import SIZE_WH, Client, encoded, mirrors, started


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """One for all tests, since its workers take a while to begin: they leave it as it was."""
    with started(mirrors()) as client:
        yield client


@pytest.fixture(scope="session")
def png() -> bytes:
    return encoded(SIZE_WH)
