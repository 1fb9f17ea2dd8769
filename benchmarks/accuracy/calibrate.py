"""Measure the ranges that 8 bits have to cover, on photographs, and write them as figures.

::

    python -m benchmarks.accuracy.calibrate --data DIR

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it, and ``lfpw/``, whose large faces are the task
of ``front``. Every fourth image of ``wider/`` is left out, because accuracy is measured on those.
The classifiers see every other image of ``photos/`` (``phiz.lab.accuracy.photos``). The figures go
to ``models/calibration.json``; a build needs them, and no photographs. Repeat this whenever a
float graph has changed, and put the hashes that the build then names into the catalogue.

A range is the mean of the ranges of single runs. One that covers the rarest value leaves fewer
steps to all others, and was measured to cost more. ``yunet`` and ``centerface`` see each image at
several sizes, at which faces have very different ranges. Theirs cover 99 of 100 runs: means cost
``centerface`` 0.02 of AP at 1024 pixels, these 0.001.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks.kit.options import data_option, models_option
from benchmarks.kit.precision import omit_held_out
from phiz.classifiers import Classifier, read_class_labels
from phiz.convert import calibration
from phiz.convert.calibration import RangeCalibration
from phiz.convert.quantise import find_quantised_tensors
from phiz.detectors.factory import DETECTOR_FACTORIES
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS, read_annotations
from phiz.lab.accuracy.photos import CALIBRATION_PART, read_photos
from phiz.models import catalog
from phiz.models.specs import (
    MODEL_GROUPS,
    SCALED_MODELS,
    ModelGroup,
    ModelSpec,
    NetworkSpec,
)
from phiz.runtime import Session
from phiz.timings import Stopwatch

CALIBRATION_FILE = Path(__file__).parents[2] / "models" / "calibration.json"
LARGE_FACES = "front"
INPUT_SIZES = (320, 640, 1024)  # of the models that have an input_size
COVERED_PERCENT = 99


class RangeRecorder:
    """A network in float32 that records the ranges of the tensors that are to be in 8 bits."""

    def __init__(self, spec: NetworkSpec, graph: bytes) -> None:
        self.spec = spec
        self.tensors = find_quantised_tensors(graph, spec.architecture)
        self.extremes: list[NDArray[np.float32]] = []  # (runs, tensors, 2), least and largest
        model = onnx.load_from_string(graph)
        self._outputs = [output.name for output in model.graph.output]
        (given,) = model.graph.input
        self._input = given.name
        for name in self.tensors:
            seen = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            model.graph.output.append(seen)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, ["CPUExecutionProvider"]
        )

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name, for one input array."""
        values = self._session.run([*self._outputs, *self.tensors], {self._input: inputs})
        count = len(self._outputs)
        extremes = [(tensor.min(), tensor.max()) for tensor in values[count:]]
        self.extremes.append(np.array(extremes, np.float32))  # (tensors, 2)
        return dict(zip(self._outputs, values[:count], strict=True))

    def to_calibration(self) -> RangeCalibration:
        """Return the ranges, to four digits."""
        extremes = np.array(self.extremes, np.float64)  # (runs, tensors, 2)
        means = extremes.mean(axis=0)  # (tensors, 2)
        if self.spec.architecture in SCALED_MODELS:
            low, high = np.percentile(extremes, (100 - COVERED_PERCENT, COVERED_PERCENT), axis=0)
            means = np.stack([low[:, 0], high[:, 1]], axis=1)  # (tensors, 2)
        ranges = {
            name: (float(f"{low:.4g}"), float(f"{high:.4g}"))
            for name, (low, high) in zip(self.tensors, means.tolist(), strict=True)
        }
        return RangeCalibration(self.spec.sha256, ranges)


@click.command()
@data_option
@models_option
@click.option("--group", type=click.Choice(MODEL_GROUPS), help="Only the networks of this group.")
@click.option("--model", "only", help="Only the networks of this model.")
def main(data: Path, models: Path, group: ModelGroup | None, only: str | None) -> None:
    """Calibrate all networks of a group, or of both."""
    found = calibration.load_calibrations()
    for model in catalog.load_catalog().get_models(group):
        if only not in {None, model.name}:
            continue
        recorders = RECORDERS[model.group](model, models, data)
        found |= {each.spec.name: each.to_calibration() for each in recorders}
        print(f"{model.name}: {', '.join(each.spec.name for each in recorders)}")
    CALIBRATION_FILE.write_text(calibration.format_calibrations(found), "utf-8")


def iterate_image_files(data: Path, model: ModelSpec) -> Iterator[Path]:
    """Yield the images that a model is calibrated on."""
    for label in omit_held_out(read_annotations(data / "wider")):
        yield label.path
    if model.name == LARGE_FACES:
        for label in read_annotations(data / "lfpw"):
            yield label.path


def record_faces(model: ModelSpec, folder: Path, data: Path) -> list[RangeRecorder]:
    """Return the networks of a model after it has searched images for faces."""
    recorders: list[RangeRecorder] = []

    def load(spec: NetworkSpec) -> Session:
        recorders.append(RangeRecorder(spec, catalog.read_network(spec, folder)))
        return recorders[-1]

    detector = DETECTOR_FACTORIES[model.kind](model, load, "half-pixel")
    for path in iterate_image_files(data, model):
        image = open_image(path.read_bytes(), PHOTOGRAPH_LIMITS)
        for size in INPUT_SIZES if model.name in SCALED_MODELS else (None,):
            detector.detect(image, DetectOptions(input_size=size), Stopwatch())
    return recorders


def record_classes(model: ModelSpec, folder: Path, data: Path) -> list[RangeRecorder]:
    """Return the network of a classifier after it has classified every other photograph."""
    (spec,) = model.networks
    recorder = RangeRecorder(spec, catalog.read_network(spec, folder))
    assert model.input_size is not None, "the catalogue gives every classifier its input size"
    classifier = Classifier(model.input_size, recorder, read_class_labels())
    for photo in read_photos(data, CALIBRATION_PART):
        classifier.classify(open_image(photo.path.read_bytes(), PHOTOGRAPH_LIMITS), 1, Stopwatch())
    return [recorder]


RECORDERS: Final[Mapping[ModelGroup, Callable[[ModelSpec, Path, Path], list[RangeRecorder]]]] = {
    "face": record_faces,
    "classify": record_classes,
}

if __name__ == "__main__":
    main()
