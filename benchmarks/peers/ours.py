"""A worker of the speed benchmark: phiz as it is served, and the decoders beside it.

::

    python ours.py INPUTS PROFILE

Every runtime that is installed takes part, and ``auto``, which is what the profile chose.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image as Pillow
from turns import Facts, Task, serve

from phiz import settings
from phiz.detectors import factory
from phiz.engine import Engine
from phiz.faces import DetectOptions, Face
from phiz.image.lazy import Picture
from phiz.image.limits import Limits
from phiz.models import catalog
from phiz.models.catalog import read_network
from phiz.models.specs import Catalog
from phiz.runtime import Runtime
from phiz.runtime.select import choose
from phiz.runtime.variants import REFERENCE, installed_variants, open_runtime, version_of
from phiz.system.malloc import keep_large_blocks_apart
from phiz.timings import Stopwatch, Timings

BLAZEFACE = ("front", "back", "full")
# By the size of a picture: what the decoders are asked for, 1 / factor of each side.
FACTORS = {"640x480": 1, "641x481": 1, "4000x3000": 8}
# As the peer does, which blends nothing.
CASCADE = DetectOptions(min_face=20, overlap="nms")

Run: TypeAlias = Callable[[int], Any]
Found: TypeAlias = tuple[tuple[Face, ...], Timings]


@dataclass(frozen=True, slots=True)
class Way:
    """A runtime, and the networks in the forms that it runs."""

    runtime: Runtime
    models: Catalog


def main() -> None:
    """Serve all tasks."""
    inputs, profile = map(Path, sys.argv[1:])
    keep_large_blocks_apart()  # as the service does
    models = catalog.load()
    ways = {str(variant): Way(open_runtime(variant), models) for variant in installed_variants()}
    ways["auto"] = followed(profile)
    calls = {who: call_runs(inputs, way) for who, way in ways.items()}
    tasks: list[Task[Any]] = [
        Task(f"call {model}", who, runs[model]) for who, runs in calls.items() for model in runs
    ]
    for size, factor in FACTORS.items():
        jpegs = [path.read_bytes() for path in sorted((inputs / size).glob("*.jpg"))]
        tasks += picture_tasks(size, jpegs)
        tasks += decoder_tasks(size, jpegs, factor)
        tasks += [Task(size, f"call {model}", run) for model, run in calls[str(REFERENCE)].items()]
    tasks += cascade_tasks(inputs, ways)
    packages = ["onnxruntime", "numpy", "pillow", "simplejpeg"]
    serve(tasks, [*packages, *(["openvino"] if version_of("openvino") else [])])


def followed(profile: Path) -> Way:
    """Return the way of a profile; without one that holds here, there is nothing to serve."""
    models = catalog.load()
    networks = [card for model in models.group("face") for card in model.networks]
    chosen = choose("auto", (), profile, networks)
    if chosen.warning:
        sys.exit(chosen.warning)
    return Way(chosen.runtime, models.in_forms(chosen.forms))


def call_runs(inputs: Path, way: Way) -> dict[str, Run]:
    """Return by model what calls its network with its prepared square."""
    runs: dict[str, Run] = {}
    for model in BLAZEFACE:
        (card,) = way.models.model(model).networks
        session = way.runtime.open(card, read_network(card, folder()))
        square = np.load(inputs / f"{model}.npy")[None]  # (1, S, S, 3), uint8
        runs[model] = partial(call, session.run, square)
    return runs


def call(network: Callable[[NDArray[Any]], Any], square: NDArray[Any], _: int) -> Any:  # noqa: ANN401  not looked at
    """Return a network's outputs."""
    return network(square)


def picture_tasks(size: str, jpegs: Sequence[bytes]) -> Iterator[Task[Any]]:
    """Yield the tasks from bytes to faces, and of what decoding takes in them."""
    chosen = settings.load()
    limits = Limits(chosen.max_bytes, chosen.max_pixels)
    runtime = open_runtime(REFERENCE)
    loaded = factory.load(catalog.load(), folder(), chosen.sampling, BLAZEFACE, runtime)
    engine = Engine(loaded, limits)
    for model in BLAZEFACE:
        yield Task(size, f"faces {model}", partial(detect, engine, jpegs, model), tell)


def detect(engine: Engine, jpegs: Sequence[bytes], model: str, item: int) -> Found:
    """Return the faces in a JPEG, and the stages."""
    stopwatch = Stopwatch()
    faces = engine.detect(jpegs[item], model, DetectOptions(), stopwatch).faces
    return faces, stopwatch.timings()


def decoder_tasks(size: str, jpegs: Sequence[bytes], factor: int) -> Iterator[Task[Any]]:
    """Yield the ways to decode a JPEG to 1 / factor of its size."""
    width, height = (-(-int(side) // factor) for side in size.split("x"))
    for colours in ("RGB", "RGBX"):
        run = partial(by_simplejpeg, jpegs, colours, (width, height))
        yield Task(size, f"decode simplejpeg {colours}", run)
    yield Task(size, "decode Pillow", partial(by_pillow, jpegs, (width, height)))


def by_simplejpeg(
    jpegs: Sequence[bytes], colours: str, size_wh: tuple[int, int], item: int
) -> NDArray[np.uint8]:
    """Return the pixels (h, w, 3) or (h, w, 4)."""
    width, height = size_wh
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        jpegs[item], colours, min_width=width, min_height=height
    )
    return pixels


def by_pillow(jpegs: Sequence[bytes], size_wh: tuple[int, int], item: int) -> Pillow.Image:
    """Return the loaded picture."""
    picture = Pillow.open(BytesIO(jpegs[item]))
    picture.draft("RGB", size_wh)
    picture.load()
    return picture


def cascade_tasks(inputs: Path, ways: Mapping[str, Way]) -> Iterator[Task[Any]]:
    """Yield the cascade in each way."""
    pictures = np.load(inputs / "cascade.npy", mmap_mode="r")  # (N, H, W, 3)
    sampling = settings.load().sampling
    for who, way in ways.items():
        loaded = factory.load(way.models, folder(), sampling, ["mtcnn"], way.runtime)
        yield Task("cascade", who, partial(search, loaded["mtcnn"], pictures), tell)


def search(detector: factory.Detector, pictures: NDArray[np.uint8], item: int) -> Found:
    """Return the faces in a picture that is decoded already, and the stages."""
    stopwatch = Stopwatch()
    faces = detector.detect(Picture.of(pictures[item]), CASCADE, stopwatch).faces
    return faces, stopwatch.timings()


def tell(found: Found) -> Facts:
    """Return the boxes of the faces, and ms by stage and by network."""
    faces, timings = found
    return {"boxes": [face.box for face in faces], "stages": timings.milliseconds()}


def folder() -> Path:
    """Return where the built models lie."""
    return settings.load().models or catalog.default_folder()


if __name__ == "__main__":
    main()
