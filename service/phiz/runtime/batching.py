"""Runs a network once for all images that wait for it, which a GPU does in little more time.

The images of a worker that are interleaved come to a network one after the other. Each leaves its
input and lets the others run. The first that continues runs the network for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phiz.models.specs import NetworkSpec
from phiz.runtime.session import Runtime, Session
from phiz.workers.interleave import is_interleaved, yield_turn


@dataclass(frozen=True, slots=True)
class BatchingRuntime:
    """Opens the networks of another runtime, for batches.

    Attributes:
        runtime: The other runtime.
    """

    runtime: Runtime

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        """Return a session of a network."""
        return BatchingSession(self.runtime.open(spec, model_bytes))


@dataclass(slots=True, eq=False)
class _WaitingRun:
    """Inputs (N, …) that wait, and their outputs, or the error of their batch."""

    inputs: NDArray[Any]
    outputs: Mapping[str, NDArray[Any]] | None = None
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class BatchingSession:
    """A network that interleaved jobs run together.

    Attributes:
        session: The network.
    """

    session: Session
    _waiting: list[_WaitingRun] = field(default_factory=list)

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs by name, for one input array.

        Raises:
            Exception: As the session raises. All inputs of a batch have its error.
        """
        if not is_interleaved():
            return self.session.run(inputs)
        own = _WaitingRun(inputs)
        self._waiting.append(own)
        try:
            yield_turn()
            if own.outputs is None and own.error is None:
                self._run_waiting(own)
        finally:
            if own in self._waiting:
                self._waiting.remove(own)
        if own.error is not None:
            raise own.error
        assert own.outputs is not None, "its batch has run"
        return own.outputs

    def _run_waiting(self, first: _WaitingRun) -> None:
        """Run the network for all inputs of one shape."""
        shape = first.inputs.shape[1:]
        runs = [run for run in self._waiting if run.inputs.shape[1:] == shape]
        self._waiting = [run for run in self._waiting if run not in runs]
        try:
            outputs = self.session.run(np.concatenate([run.inputs for run in runs]))
        except Exception as error:  # noqa: BLE001  each image of the batch raises it
            for run in runs:
                run.error = error
            return
        start = 0
        for run in runs:
            end = start + len(run.inputs)
            run.outputs = {name: values[start:end] for name, values in outputs.items()}
            start = end
