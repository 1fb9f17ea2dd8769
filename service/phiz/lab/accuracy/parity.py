"""How far the converted networks are from their originals, as a table.

::

    python -m phiz.lab.accuracy.parity --from FOLDER PICTURE …

BlazeFace is held against its own TensorFlow Lite file in LiteRT (package
``ai-edge-litert``), MTCNN against ``phiz.lab.accuracy.mtcnn_reference``, and the classifiers,
in float32, against ``phiz.lab.accuracy.classifier_reference``. They see the pictures that are
named, and noise. What agrees is the rule of ``phiz.lab.accuracy.gates``.
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
from click.core import ParameterSource
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phiz.convert.download import source_folder
from phiz.convert.sources import read_source
from phiz.convert.torch_pickle import Weights, read_weights
from phiz.errors import PhizError
from phiz.lab.accuracy.classifier_reference import run_efficientnet, run_mobilenet, run_ssd
from phiz.lab.accuracy.gates import Apart, apart
from phiz.lab.accuracy.mtcnn_reference import Outputs, run_onet, run_pnet, run_rnet
from phiz.models import catalog
from phiz.models.specs import GROUPS, SERVICE, Architecture, Group, NetworkCard

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)

Picture: TypeAlias = NDArray[np.uint8]
"""(H, W, 3), RGB."""

Run: TypeAlias = Callable[[NDArray[Any]], Outputs]
"""A network: a batch (N, H, W, 3) to its outputs by name."""

# P-Net takes any size: its least, an odd one, and one of a usual level.
ANY_SIZES_WH: Final = ((12, 12), (31, 17), (100, 75))
MTCNN: Final[frozenset[Architecture]] = frozenset({"pnet", "rnet", "onet"})
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
    views = list(_views(pictures, TILES if card.architecture in MTCNN else 1))
    found = [
        apart(converted(batch), original(batch))
        for batch in _batches(session.get_inputs()[0], views)
    ]
    return [_comparison(card.name, output, [each[output] for each in found]) for output in found[0]]


def _comparison(network: str, output: str, found: Sequence[Apart]) -> Comparison:
    differences = np.concatenate([each.differences for each in found])
    return Comparison(
        network=network,
        output=output,
        numbers=differences.size,
        difference=float(differences.max(initial=0)),
        tolerance=found[0].tolerance,
    )


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
        return dict(zip(outputs, session.run(outputs, {name: batch}), strict=True))

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
        return {name: np.stack([each[name] for each in answers]) for name in answers[0]}

    return run


def _reference(network: Callable[[Weights, NDArray[Any]], Outputs]) -> Callable[[bytes], Run]:
    return lambda source: partial(network, read_weights(source))


ORIGINALS: Final[Mapping[Architecture, Callable[[bytes], Run]]] = {
    "blazeface": _litert,
    "pnet": _reference(run_pnet),
    "rnet": _reference(run_rnet),
    "onet": _reference(run_onet),
    "mobilenet": _reference(run_mobilenet),
    "efficientnet": _reference(run_efficientnet),
    "ssd": _reference(run_ssd),
}


@click.command()
@click.option("--from", "files", envvar="PHIZ_MODEL_FILES", type=FOLDER, help="Folder of sources.")
@click.option("--models", "folder", envvar="PHIZ_MODELS", type=FOLDER, help="The built models.")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--group", type=click.Choice(GROUPS), default=SERVICE, show_default=True)
def main(files: Path | None, folder: Path | None, pictures: tuple[Path, ...], group: Group) -> None:
    """Compare a group's built networks with their originals; exit with 1 if one is too far off."""
    images = [np.asarray(Image.open(path).convert("RGB")) for path in pictures]
    networks = [card for model in catalog.load().group(group) for card in model.networks]
    found: list[Comparison] = []
    named = click.get_current_context().get_parameter_source("files")
    may_download = named is ParameterSource.ENVIRONMENT
    try:
        with source_folder(networks, click.echo, files, may_download=may_download) as sources:
            for card in networks:
                built = catalog.read_network(card, folder or catalog.default_folder())
                found += compare(card, built, read_source(card.made_from, sources), images)
    except PhizError as error:
        raise click.ClickException(str(error)) from error
    click.echo("network      output         numbers  difference  tolerance  verdict")
    for each in found:
        click.echo(
            f"{each.network:12} {each.output:14} {each.numbers:7} {each.difference:11.2g} "
            f"{each.tolerance:10.2g}  {'agrees' if each.agrees else 'DIFFERS'}"
        )
    if not all(each.agrees for each in found):
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
