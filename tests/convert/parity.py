"""Comparisons of converted networks with their originals.

BlazeFace's original is its own TensorFlow Lite file in LiteRT, that of every other network is in
``references``. Both see images and noise. They agree by the rule of ``phiz.lab.accuracy.gates``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image, ImageOps

from phiz.convert.torch_pickle import read_weights
from phiz.faces import RgbImage
from phiz.lab.accuracy.gates import OutputDifference, Outputs, compare_outputs
from phiz.models.specs import Architecture, NetworkSpec
from tests.convert.references import run_efficientnet, run_mobilenet, run_mtcnn, run_ssd

# P-Net takes any size: its least, an odd one, and one of a usual level.
PNET_SIZES_WH = ((12, 12), (31, 17), (100, 75))
# YuNet and CenterFace take multiples of 32: the least, a tall one, and one of a usual picture.
ANCHOR_FREE_SIZES_WH = ((32, 32), (96, 160), (640, 480))
MTCNN_ARCHITECTURES: tuple[Architecture, ...] = ("pnet", "rnet", "onet")
TILES_PER_SIDE = 4  # MTCNN, made for parts, sees an image whole and in 4 rows of 4 tiles
NOISE_IMAGES = 4

ANCHOR_FREE_ORIGINALS: Mapping[Architecture, Callable[[bytes], Callable[..., Outputs]]] = {
    "yunet": lambda source: partial(run_yunet, open_published(source)),
    "centerface": lambda source: partial(run_centerface, open_published(source)),
}
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
        run_original: Callable[..., Mapping[str, NDArray[Any]]] = partial(run_litert, source)
    elif spec.architecture in ANCHOR_FREE_ORIGINALS:
        run_original = ANCHOR_FREE_ORIGINALS[spec.architecture](source)
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
    any_size_wh = ANCHOR_FREE_SIZES_WH if given.type == "tensor(uint8)" else PNET_SIZES_WH
    sizes_wh = [(width, height)] if isinstance(height, int) else any_size_wh
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


def open_published(source: bytes) -> ort.InferenceSession:
    """Return a session of a published ONNX file, which gives logits and takes any size.

    Renaming the sizes that it declares changes none of its numbers.
    """
    model = onnx.load_from_string(source)
    model.ir_version = max(model.ir_version, 4)  # whose initializers need not be inputs
    weights = {each.name for each in model.graph.initializer}
    given = [each for each in model.graph.input if each.name not in weights]
    for value in (*given, *model.graph.output):
        for axis, length in enumerate(value.type.tensor_type.shape.dim):
            if (axis, value.name) not in {(1, each.name) for each in given}:
                length.dim_param = f"{value.name}{axis}"
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            logits = helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None)
            logits.name = node.input[0]
            model.graph.output.append(logits)
    del model.graph.input[:]
    model.graph.input.extend(given)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run_published(session: ort.InferenceSession, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the outputs of a published file for images (N, H, W, 3) one by one."""
    (given,), names = session.get_inputs(), [output.name for output in session.get_outputs()]
    channels_first = images.astype(np.float32).transpose(0, 3, 1, 2)  # (N, 3, H, W)
    answers = [session.run(names, {given.name: image[None]}) for image in channels_first]
    return {
        name: np.concatenate(parts)
        for name, parts in zip(names, zip(*answers, strict=True), strict=True)
    }


def run_yunet(session: ort.InferenceSession, batch: NDArray[Any]) -> Outputs:
    """Return the maps of the published YuNet, in the order of the converted one's channels."""
    found = run_published(session, batch[..., ::-1])  # it takes blue, green, red
    logits = [
        value for name, value in found.items() if not name.startswith(("cls", "obj", "bbox", "kps"))
    ]
    maps = {}
    for level, stride in enumerate((8, 16, 32)):
        parts = [logits[level], logits[3 + level], found[f"bbox_{stride}"], found[f"kps_{stride}"]]
        cells = np.concatenate(
            [part.reshape(len(batch), -1, part.shape[-1]) for part in parts], axis=2
        )
        _, height, width, _ = batch.shape
        shape = len(batch), height // stride, width // stride, cells.shape[-1]
        maps[f"stride{stride}"] = cells.reshape(shape).transpose(0, 3, 1, 2)
    return maps


def run_centerface(session: ort.InferenceSession, batch: NDArray[Any]) -> Outputs:
    """Return the map of the published CenterFace, in the order of the converted one's channels."""
    _, size, offset, landmarks, logits = run_published(session, batch).values()
    return {"stride4": np.concatenate([logits, size, offset, landmarks], axis=1)}
