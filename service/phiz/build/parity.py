"""How far the converted networks are from their originals, as a table.

::

    python -m phiz.build.parity --from FOLDER PICTURE …

BlazeFace is held against its own TensorFlow Lite file in LiteRT (package
``ai-edge-litert``), MTCNN against ``phiz.build.reference``. They see the pictures that are
named, and noise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
import numpy as np
import onnxruntime as ort
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phiz import catalog
from phiz.build.download import source_folder
from phiz.build.reference import Outputs, run_onet, run_pnet, run_rnet
from phiz.build.sources import read_source
from phiz.build.torch_pickle import Weights, read_weights
from phiz.cards import Architecture, NetworkCard
from phiz.errors import PhizError

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)

Picture: TypeAlias = NDArray[np.uint8]
"""(H, W, 3), RGB."""

Run: TypeAlias = Callable[[NDArray[Any]], Outputs]
"""A network: a batch (N, H, W, 3) to its outputs by name."""

# The largest differences that float32 arithmetic in another order accounts for. BlazeFace's
# regressions are pixels of its square input, MTCNN's are parts of a box.
BLAZEFACE_TOLERANCES: Final = {"regressions": 2e-4, "all anchors": 2e-4, "probabilities": 1.4e-6}
MTCNN_TOLERANCE: Final = 2.2e-6
# Where BlazeFace sees no face at all, it may regress to a thousand pixels and more, with an
# error in proportion on both sides; nobody ever reads these numbers. They are compared as
# "all anchors", where the tolerance grows with the largest regression in the picture and is
# doubled at this many pixels. (In proportion to each regression by itself is too strict:
# sums of large numbers come out small, and LiteRT's own are further from those in float64.)
LEAST_PROBABILITY: Final = 0.01
DOUBLED_AT_PX: Final = 200.0
# P-Net takes any size: its least, an odd one, and one of a usual level.
ANY_SIZES_WH: Final = ((12, 12), (31, 17), (100, 75))
TILES: Final = 4  # MTCNN, made for parts, sees a picture whole and in 4 rows of 4 tiles
NOISE: Final = 4  # pictures of noise


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one network: the largest difference of so many numbers."""

    network: str
    output: str
    numbers: int
    difference: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether there is something to compare, and the same within the tolerance."""
        return self.numbers > 0 and self.difference <= self.tolerance  # NaN is not


def compare(
    card: NetworkCard, built: bytes, source: bytes, pictures: Sequence[Picture]
) -> list[Comparison]:
    """Return one comparison for each output of a network.

    Args:
        card: The network.
        built: Its ONNX file.
        source: The file that it was converted from.
        pictures: With faces; both are given noise as well.
    """
    session = ort.InferenceSession(built, providers=["CPUExecutionProvider"])
    converted, original = _converted(session), ORIGINALS[card.architecture](source)
    views = list(_views(pictures, 1 if card.architecture == "blazeface" else TILES))
    answers = [
        (converted(batch), original(batch)) for batch in _batches(session.get_inputs()[0], views)
    ]
    outputs = [*answers[0][0]]
    if card.architecture == "blazeface":
        outputs.insert(1, "all anchors")
    return [_comparison(card, output, answers) for output in outputs]


def _comparison(
    card: NetworkCard, output: str, answers: Sequence[tuple[Outputs, Outputs]]
) -> Comparison:
    apart = np.concatenate([_apart(card, output, *answer) for answer in answers])
    is_blazeface = card.architecture == "blazeface"
    return Comparison(
        network=card.name,
        output=output,
        numbers=apart.size,
        difference=float(apart.max(initial=0)),
        tolerance=BLAZEFACE_TOLERANCES[output] if is_blazeface else MTCNN_TOLERANCE,
    )


def in_proportion(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
    """Return how far regressions (N, A, 16) are apart, less for pictures that have larger ones."""
    largest = np.abs(theirs).max(axis=(1, 2), keepdims=True)  # (N, 1, 1)
    apart: NDArray[Any] = np.abs(ours - theirs) / (1 + largest / DOUBLED_AT_PX)
    return apart


def _apart(card: NetworkCard, output: str, ours: Outputs, theirs: Outputs) -> NDArray[Any]:
    if output == "all anchors":
        return in_proportion(ours["regressions"], theirs["regressions"]).ravel()
    apart: NDArray[Any] = np.abs(ours[output] - theirs[output])
    if card.architecture == "blazeface" and output == "regressions":
        apart = apart[theirs["probabilities"] >= LEAST_PROBABILITY]
    return apart.ravel()


def _batches(given: ort.NodeArg, views: Sequence[Image.Image]) -> Iterator[NDArray[Any]]:
    """Yield all views, and noise, in each size that the input may have."""
    _, height, width, _ = given.shape
    sizes_wh = [(width, height)] if isinstance(height, int) else ANY_SIZES_WH
    dtype = np.uint8 if given.type == "tensor(uint8)" else np.float32
    noise = np.random.default_rng(0)  # the same in every run
    for size_wh in sizes_wh:
        batch = [np.asarray(ImageOps.pad(view, size_wh)) for view in views]
        batch.extend(noise.integers(0, 256, (NOISE, *size_wh[::-1], 3), np.uint8))
        yield np.stack(batch).astype(dtype)  # (N, H, W, 3)


def _views(pictures: Sequence[Picture], tiles: int) -> Iterator[Image.Image]:
    for picture in pictures:
        yield Image.fromarray(picture)
        if tiles > 1:
            for row in np.array_split(picture, tiles):
                for tile in np.array_split(row, tiles, axis=1):
                    yield Image.fromarray(np.ascontiguousarray(tile))


def _converted(session: ort.InferenceSession) -> Run:
    name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]

    def run(batch: NDArray[Any]) -> Outputs:
        return _probable(dict(zip(outputs, session.run(outputs, {name: batch}), strict=True)))

    return run


def _litert(source: bytes) -> Run:
    interpreter = Interpreter(model_content=source, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()

    def run_one(image: Picture) -> Outputs:
        pixels = image.astype(np.float32) * np.float32(2 / 255) - np.float32(1)
        interpreter.set_tensor(given["index"], pixels[None])
        interpreter.invoke()
        tensors = [
            interpreter.get_tensor(output["index"])[0]
            for output in interpreter.get_output_details()
        ]
        logits, regressions = sorted(tensors, key=lambda tensor: tensor.shape[-1])
        return {"regressions": regressions, "logits": logits[:, 0]}

    def run(batch: NDArray[Any]) -> Outputs:
        answers = [run_one(image) for image in batch]
        return _probable({name: np.stack([each[name] for each in answers]) for name in answers[0]})

    return run


def _probable(outputs: Outputs) -> Outputs:
    """Return the outputs with probabilities instead of logits, as these are what is used."""
    if "logits" not in outputs:
        return outputs
    # Beyond 100 a float64 sigmoid does not change, and its exponential would overflow.
    logits = np.clip(outputs["logits"].astype(np.float64), -100, 100)
    return {"regressions": outputs["regressions"], "probabilities": 1 / (1 + np.exp(-logits))}


def _reference(
    network: Callable[[Weights, NDArray[np.float32]], Outputs],
) -> Callable[[bytes], Run]:
    return lambda source: partial(network, read_weights(source))


ORIGINALS: Final[Mapping[Architecture, Callable[[bytes], Run]]] = {
    "blazeface": _litert,
    "pnet": _reference(run_pnet),
    "rnet": _reference(run_rnet),
    "onet": _reference(run_onet),
}


@click.command()
@click.option("--from", "files", envvar="PHIZ_MODEL_FILES", type=FOLDER, help="Folder of sources.")
@click.option("--models", "folder", envvar="PHIZ_MODELS", type=FOLDER, help="The built models.")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(files: Path | None, folder: Path | None, pictures: tuple[Path, ...]) -> None:
    """Compare all built networks with their originals; exit with 1 if one is too far off."""
    images = [np.asarray(Image.open(path).convert("RGB")) for path in pictures]
    networks = [card for model in catalog.load().models for card in model.networks]
    found: list[Comparison] = []
    try:
        with source_folder(networks, click.echo, files) as sources:
            for card in networks:
                built = catalog.read_network(card, folder or catalog.default_folder())
                found += compare(card, built, read_source(card.made_from, sources), images)
    except PhizError as error:
        raise click.ClickException(str(error)) from error
    click.echo("network  output         numbers  difference  tolerance  verdict")
    for each in found:
        click.echo(
            f"{each.network:8} {each.output:14} {each.numbers:7} {each.difference:11.2g} "
            f"{each.tolerance:10.2g}  {'agrees' if each.agrees else 'DIFFERS'}"
        )
    if not all(each.agrees for each in found):
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
