"""Comparisons of converted networks with their originals.

BlazeFace's original is its own TensorFlow Lite file in LiteRT, that of every other network is in
``references``. Both see images and noise. They agree by the rule of ``phiz.lab.accuracy.gates``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phiz.convert.torch_pickle import read_weights
from phiz.faces import RgbImage
from phiz.lab.accuracy.gates import OutputDifference, Outputs, compare_outputs
from phiz.models.specs import Architecture, NetworkSpec
from tests.convert.references import run_efficientnet, run_mobilenet, run_mtcnn, run_ssd

# P-Net takes any size: its least, an odd one, and one of a usual level.
PNET_SIZES_WH = ((12, 12), (31, 17), (100, 75))
MTCNN_ARCHITECTURES: tuple[Architecture, ...] = ("pnet", "rnet", "onet")
TILES_PER_SIDE = 4  # MTCNN, made for parts, sees an image whole and in 4 rows of 4 tiles
NOISE_IMAGES = 4

RUN_REFERENCE: Mapping[Architecture, Callable[..., Outputs]] = {
    **{name: partial(run_mtcnn, name) for name in MTCNN_ARCHITECTURES},
    "mobilenet": run_mobilenet,
    "efficientnet": run_efficientnet,
    "ssd": run_ssd,
}


def compare_network(
    spec: NetworkSpec, built: bytes, source: bytes, images: Sequence[RgbImage]
) -> dict[str, OutputDifference]:
    """Return by output how far a network is from its original.

    Args:
        spec: The network.
        built: Its ONNX file.
        source: The file that it was converted from.
        images: With faces; both are given noise as well.
    """
    session = ort.InferenceSession(built, providers=["CPUExecutionProvider"])
    (given,), names = session.get_inputs(), [output.name for output in session.get_outputs()]
    if spec.architecture == "blazeface":
        run_original = partial(run_litert, source)
    else:
        run_original = partial(RUN_REFERENCE[spec.architecture], read_weights(source))
    found = [
        compare_outputs(
            dict(zip(names, session.run(names, {given.name: batch}), strict=True)),
            run_original(batch),
        )
        for batch in iterate_batches(given, list(iterate_views(spec, images)))
    ]
    return {
        name: OutputDifference(
            np.concatenate([each[name].differences for each in found]), first.tolerance
        )
        for name, first in found[0].items()
    }


def agrees(found: OutputDifference) -> bool:
    """Return whether there is something to compare, and all of it is within the tolerance."""
    # NaN is not.
    return found.differences.size > 0 and bool((found.differences <= found.tolerance).all())


def iterate_batches(given: ort.NodeArg, views: Sequence[Image.Image]) -> Iterator[NDArray[Any]]:
    """Yield all views, and noise, in each size that the input may have: (N, H, W, 3)."""
    _, height, width, _ = given.shape
    sizes_wh = [(width, height)] if isinstance(height, int) else PNET_SIZES_WH
    dtype = np.uint8 if given.type == "tensor(uint8)" else np.float32
    noise = np.random.default_rng(0)  # the same in every run
    for size_wh in sizes_wh:
        batch = [np.asarray(ImageOps.pad(view, size_wh)) for view in views]
        batch.extend(noise.integers(0, 256, (NOISE_IMAGES, *size_wh[::-1], 3), np.uint8))
        yield np.stack(batch).astype(dtype)


def iterate_views(spec: NetworkSpec, images: Sequence[RgbImage]) -> Iterator[Image.Image]:
    """Yield images, each followed by its tiles for the networks of MTCNN."""
    for image in images:
        yield Image.fromarray(image)
        if spec.architecture in MTCNN_ARCHITECTURES:
            for row in np.array_split(image, TILES_PER_SIDE):
                for tile in np.array_split(row, TILES_PER_SIDE, axis=1):
                    yield Image.fromarray(np.ascontiguousarray(tile))


def run_litert(source: bytes, batch: NDArray[Any]) -> Outputs:
    """Return the outputs of BlazeFace's TensorFlow Lite file for a batch (N, S, S, 3)."""
    interpreter = Interpreter(model_content=source, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    answers = []
    for image in batch:
        pixels = image.astype(np.float32) * np.float32(2 / 255) - np.float32(1)
        interpreter.set_tensor(given["index"], pixels[None])
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        tensors = [interpreter.get_tensor(output["index"])[0] for output in outputs]
        answers.append(sorted(tensors, key=lambda tensor: tensor.shape[-1]))
    logits, regressions = (np.stack(tensors) for tensors in zip(*answers, strict=True))
    return {"regressions": regressions, "logits": logits[..., 0]}
