"""A worker of the speed benchmark: BlazeFace's own files in LiteRT (XNNPACK), on one thread.

::

    python litert.py INPUTS
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from turns import Task, serve_tasks

MODELS = ("front", "back", "full")


def main() -> None:
    """Serve a call of each model."""
    inputs = Path(sys.argv[1])
    serve_tasks([build_task(inputs, model) for model in MODELS], ("ai-edge-litert", "numpy"))


def build_task(inputs: Path, model: str) -> Task[list[NDArray[Any]]]:
    """Return the task of one model: its prepared square in, both outputs out."""
    # LiteRT runs on XNNPACK by default.
    interpreter = Interpreter(str(inputs / f"{model}.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    outputs = [output["index"] for output in interpreter.get_output_details()]
    square = np.load(inputs / f"{model}.npy")  # (S, S, 3), uint8
    pixels = (square / 127.5 - 1).astype(np.float32)[None]  # (1, S, S, 3)

    def run(_: int) -> list[NDArray[Any]]:
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return [interpreter.get_tensor(output) for output in outputs]

    return Task(f"call {model}", "LiteRT XNNPACK", run)


if __name__ == "__main__":
    main()
