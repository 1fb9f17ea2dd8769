"""The protocol that detectors see of a runtime."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray


class Session(Protocol):
    """A loaded network, safe to run from several threads at once."""

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the network's outputs by name, for one input array."""
        ...  # pragma: no cover
