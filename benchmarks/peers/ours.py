"""A worker of the speed benchmark: phiz as it is served, and the decoders beside it.

::

    python ours.py INPUTS PROFILE

Every installed runtime takes part, and ``auto``: the choice of the profile.
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
from turns import Facts, Task, serve_tasks

from phiz import settings
from phiz.detectors import factory
from phiz.engine import build_engine
from phiz.faces import DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.models import catalog
from phiz.models.catalog import read_network
from phiz.models.specs import Catalog
from phiz.runtime import Runtime
from phiz.runtime.select import select_runtime
from phiz.runtime.variants import (
    REFERENCE_VARIANT,
    find_installed_variants,
    get_version,
    open_runtime,
)
from phiz.system.cgroups import DEFAULT_MAX_PIXELS
from phiz.system.malloc import fix_malloc_thresholds
from phiz.timings import Stopwatch, Timings

BLAZEFACE = ("front", "back", "full")
# By the size of an image: the decoders are asked for 1 / factor of each side.
FACTORS = {"640x480": 1, "641x481": 1, "4000x3000": 8}
# As the peer does, which blends nothing.
CASCADE = DetectOptions(min_face=20, overlap="nms")
SETTINGS = settings.load_settings()
MODELS_FOLDER = SETTINGS.models or catalog.get_default_folder()

RunItem: TypeAlias = Callable[[int], Any]
DetectedFaces: TypeAlias = tuple[tuple[Face, ...], Timings]


@dataclass(frozen=True, slots=True)
class OpenedRuntime:
    """A runtime, and the networks in the precisions that it runs."""

    runtime: Runtime
    models: Catalog


def main() -> None:
    """Serve all tasks."""
    inputs, profile = map(Path, sys.argv[1:])
    fix_malloc_thresholds()  # as the service does
    runtimes = {
        str(variant): OpenedRuntime(open_runtime(variant), catalog.load_catalog())
        for variant in find_installed_variants()
    }
    runtimes["auto"] = follow_profile(profile)
    calls = {who: build_calls(inputs, runtime) for who, runtime in runtimes.items()}
    tasks: list[Task[Any]] = [
        Task(f"call {model}", who, runs[model]) for who, runs in calls.items() for model in runs
    ]
    for size, factor in FACTORS.items():
        jpegs = [path.read_bytes() for path in sorted((inputs / size).glob("*.jpg"))]
        tasks += build_image_tasks(size, jpegs)
        tasks += build_decoder_tasks(size, jpegs, factor)
        tasks += [
            Task(size, f"call {model}", run) for model, run in calls[str(REFERENCE_VARIANT)].items()
        ]
    tasks += build_cascade_tasks(inputs, runtimes)
    tasks.append(build_yunet_task(inputs))
    packages = ["onnxruntime", "numpy", "pillow", "simplejpeg"]
    serve_tasks(tasks, [*packages, *(["openvino"] if get_version("openvino") else [])])


def follow_profile(profile: Path) -> OpenedRuntime:
    """Return the runtime of a profile, or end if it is not for this machine."""
    models = catalog.load_catalog()
    networks = [spec for model in models.get_models("face") for spec in model.networks]
    chosen = select_runtime("auto", (), profile, networks)
    if chosen.warning:
        sys.exit(chosen.warning)
    return OpenedRuntime(chosen.runtime, models.with_precisions(chosen.precisions))


def build_calls(inputs: Path, opened: OpenedRuntime) -> dict[str, RunItem]:
    """Return by model a call of its network with its prepared square."""
    runs: dict[str, RunItem] = {}
    for model in BLAZEFACE:
        (spec,) = opened.models.get_model(model).networks
        session = opened.runtime.open(spec, read_network(spec, MODELS_FOLDER))
        square = np.load(inputs / f"{model}.npy")[None]  # (1, S, S, 3), uint8
        runs[model] = partial(call_network, session.run, square)
    return runs


def call_network(network: Callable[[NDArray[Any]], Any], square: NDArray[Any], _: int) -> Any:  # noqa: ANN401  not looked at
    """Return a network's outputs."""
    return network(square)


def build_image_tasks(size: str, jpegs: Sequence[bytes]) -> Iterator[Task[Any]]:
    """Yield the tasks from bytes to faces."""
    limits = DecodingLimits(SETTINGS.max_bytes, DEFAULT_MAX_PIXELS)
    engine = build_engine(MODELS_FOLDER, SETTINGS.sampling, limits, BLAZEFACE)

    def detect(model: str, item: int) -> DetectedFaces:
        stopwatch = Stopwatch()
        faces = engine.detect(jpegs[item], model, DetectOptions(), stopwatch).faces
        return faces, stopwatch.to_timings()

    for model in BLAZEFACE:
        yield Task(size, f"faces {model}", partial(detect, model), describe_result)


def build_decoder_tasks(size: str, jpegs: Sequence[bytes], factor: int) -> Iterator[Task[Any]]:
    """Yield the ways to decode a JPEG to 1 / factor of its size."""
    width, height = (-(-int(side) // factor) for side in size.split("x"))

    def decode_with_simplejpeg(colours: str, item: int) -> Any:  # noqa: ANN401  not looked at
        return simplejpeg.decode_jpeg(jpegs[item], colours, min_width=width, min_height=height)

    def decode_with_pillow(item: int) -> None:
        image = Pillow.open(BytesIO(jpegs[item]))
        image.draft("RGB", (width, height))
        image.load()

    for colours in ("RGB", "RGBX"):
        run = partial(decode_with_simplejpeg, colours)
        yield Task(size, f"decode simplejpeg {colours}", run)
    yield Task(size, "decode Pillow", decode_with_pillow)


def build_cascade_tasks(inputs: Path, runtimes: Mapping[str, OpenedRuntime]) -> Iterator[Task[Any]]:
    """Yield the cascade in each runtime."""
    images = np.load(inputs / "cascade.npy", mmap_mode="r")  # (N, H, W, 3)

    def detect(detector: factory.Detector, item: int) -> DetectedFaces:
        stopwatch = Stopwatch()
        faces = detector.detect(LazyImage.from_array(images[item]), CASCADE, stopwatch).faces
        return faces, stopwatch.to_timings()

    for who, runtime in runtimes.items():
        detectors = factory.load_detectors(
            runtime.models, MODELS_FOLDER, SETTINGS.sampling, ["mtcnn"], runtime.runtime
        )
        yield Task("cascade", who, partial(detect, detectors["mtcnn"]), describe_result)


def build_yunet_task(inputs: Path) -> Task[Any]:
    """Return the task of YuNet from bytes to faces, as its peer does it."""
    limits = DecodingLimits(SETTINGS.max_bytes, DEFAULT_MAX_PIXELS)
    engine = build_engine(MODELS_FOLDER, SETTINGS.sampling, limits, ["yunet"])
    jpegs = [path.read_bytes() for path in sorted((inputs / "640x480").glob("*.jpg"))]

    def detect(item: int) -> DetectedFaces:
        stopwatch = Stopwatch()
        faces = engine.detect(jpegs[item], "yunet", DetectOptions(), stopwatch).faces
        return faces, stopwatch.to_timings()

    return Task("yunet", "phiz", detect, describe_result)


def describe_result(found: DetectedFaces) -> Facts:
    """Return the boxes of the faces, and ms by stage and by network."""
    faces, timings = found
    return {"boxes": [face.box for face in faces], "stages": timings.to_milliseconds()}


if __name__ == "__main__":
    main()
