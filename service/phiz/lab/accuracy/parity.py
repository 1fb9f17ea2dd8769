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

from phiz.convert.download import open_source_folder
from phiz.convert.sources import read_source
from phiz.convert.torch_pickle import StateDict, read_weights
from phiz.errors import PhizError
from phiz.lab.accuracy.classifier_reference import run_efficientnet, run_mobilenet, run_ssd
from phiz.lab.accuracy.gates import OutputDifference, compare_outputs
from phiz.lab.accuracy.mtcnn_reference import Outputs, run_onet, run_pnet, run_rnet
from phiz.models import catalog
from phiz.models.specs import MODEL_GROUPS, SERVICE_GROUP, Architecture, ModelGroup, NetworkSpec

FOLDER_TYPE: Final = click.Path(exists=True, file_okay=False, path_type=Path)

RgbImage: TypeAlias = NDArray[np.uint8]
"""(H, W, 3), RGB."""

RunNetwork: TypeAlias = Callable[[NDArray[Any]], Outputs]
"""A network: a batch (N, H, W, 3) to its outputs by name."""

# P-Net takes any size: its least, an odd one, and one of a usual level.
PNET_SIZES_WH: Final = ((12, 12), (31, 17), (100, 75))
MTCNN_ARCHITECTURES: Final[frozenset[Architecture]] = frozenset({"pnet", "rnet", "onet"})
TILES_PER_SIDE: Final = 4  # MTCNN, made for parts, sees a picture whole and in 4 rows of 4 tiles
NOISE_IMAGES: Final = 4  # pictures of noise


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one network: the largest difference of so many numbers."""

    network: str
    output: str
    numbers: int
    difference: float
    tolerance: float

    @property
    def is_within_tolerance(self) -> bool:
        """Whether there is something to compare, and the same within the tolerance."""
        return self.numbers > 0 and self.difference <= self.tolerance  # NaN is not


def compare_network(
    spec: NetworkSpec, built: bytes, source: bytes, images: Sequence[RgbImage]
) -> list[Comparison]:
    """Return one comparison for each output of a network.

    Args:
        spec: The network.
        built: Its ONNX file.
        source: The file that it was converted from.
        images: With faces; both are given noise as well.
    """
    session = ort.InferenceSession(built, providers=["CPUExecutionProvider"])
    converted, original = _wrap_session(session), OPEN_ORIGINAL[spec.architecture](source)
    views = list(
        _iterate_views(images, TILES_PER_SIDE if spec.architecture in MTCNN_ARCHITECTURES else 1)
    )
    found = [
        compare_outputs(converted(batch), original(batch))
        for batch in _iterate_batches(session.get_inputs()[0], views)
    ]
    return [
        _summarise_output(spec.name, output, [each[output] for each in found])
        for output in found[0]
    ]


def _summarise_output(network: str, output: str, found: Sequence[OutputDifference]) -> Comparison:
    differences = np.concatenate([each.differences for each in found])
    return Comparison(
        network=network,
        output=output,
        numbers=differences.size,
        difference=float(differences.max(initial=0)),
        tolerance=found[0].tolerance,
    )


def _iterate_batches(given: ort.NodeArg, views: Sequence[Image.Image]) -> Iterator[NDArray[Any]]:
    """Yield all views, and noise, in each size that the input may have."""
    _, height, width, _ = given.shape
    sizes_wh = [(width, height)] if isinstance(height, int) else PNET_SIZES_WH
    dtype = np.uint8 if given.type == "tensor(uint8)" else np.float32
    noise = np.random.default_rng(0)  # the same in every run
    for size_wh in sizes_wh:
        batch = [np.asarray(ImageOps.pad(view, size_wh)) for view in views]
        batch.extend(noise.integers(0, 256, (NOISE_IMAGES, *size_wh[::-1], 3), np.uint8))
        yield np.stack(batch).astype(dtype)  # (N, H, W, 3)


def _iterate_views(images: Sequence[RgbImage], tiles: int) -> Iterator[Image.Image]:
    for image in images:
        yield Image.fromarray(image)
        if tiles > 1:
            for row in np.array_split(image, tiles):
                for tile in np.array_split(row, tiles, axis=1):
                    yield Image.fromarray(np.ascontiguousarray(tile))


def _wrap_session(session: ort.InferenceSession) -> RunNetwork:
    name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]

    def run(batch: NDArray[Any]) -> Outputs:
        return dict(zip(outputs, session.run(outputs, {name: batch}), strict=True))

    return run


def _open_litert(source: bytes) -> RunNetwork:
    interpreter = Interpreter(model_content=source, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()

    def run_one(image: RgbImage) -> Outputs:
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


def _make_reference(
    network: Callable[[StateDict, NDArray[Any]], Outputs],
) -> Callable[[bytes], RunNetwork]:
    return lambda source: partial(network, read_weights(source))


OPEN_ORIGINAL: Final[Mapping[Architecture, Callable[[bytes], RunNetwork]]] = {
    "blazeface": _open_litert,
    "pnet": _make_reference(run_pnet),
    "rnet": _make_reference(run_rnet),
    "onet": _make_reference(run_onet),
    "mobilenet": _make_reference(run_mobilenet),
    "efficientnet": _make_reference(run_efficientnet),
    "ssd": _make_reference(run_ssd),
}


@click.command()
@click.option(
    "--from", "files", envvar="PHIZ_MODEL_FILES", type=FOLDER_TYPE, help="Folder of sources."
)
@click.option(
    "--models", "folder", envvar="PHIZ_MODELS", type=FOLDER_TYPE, help="The built models."
)
@click.argument(
    "image_paths",
    metavar="PICTURES...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--group", type=click.Choice(MODEL_GROUPS), default=SERVICE_GROUP, show_default=True)
def main(
    files: Path | None, folder: Path | None, image_paths: tuple[Path, ...], group: ModelGroup
) -> None:
    """Compare a group's built networks with their originals; exit with 1 if one is too far off."""
    images = [np.asarray(Image.open(path).convert("RGB")) for path in image_paths]
    networks = [
        spec for model in catalog.load_catalog().get_models(group) for spec in model.networks
    ]
    found: list[Comparison] = []
    named = click.get_current_context().get_parameter_source("files")
    may_download = named is ParameterSource.ENVIRONMENT
    try:
        with open_source_folder(networks, click.echo, files, may_download=may_download) as sources:
            for spec in networks:
                built = catalog.read_network(spec, folder or catalog.get_default_folder())
                found += compare_network(spec, built, read_source(spec.made_from, sources), images)
    except PhizError as error:
        raise click.ClickException(str(error)) from error
    click.echo("network      output         numbers  difference  tolerance  verdict")
    for each in found:
        click.echo(
            f"{each.network:12} {each.output:14} {each.numbers:7} {each.difference:11.2g} "
            f"{each.tolerance:10.2g}  {'agrees' if each.is_within_tolerance else 'DIFFERS'}"
        )
    if not all(each.is_within_tolerance for each in found):
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
