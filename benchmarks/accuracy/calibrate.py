"""Measure the ranges that 8 bits have to cover, on photographs, and write them as figures.

::

    python -m benchmarks.accuracy.calibrate --data DIR

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it, of which every fourth picture is left out
because accuracy is measured on those, and ``lfpw/``, whose large faces are ``front``'s task. The
classifiers see every other picture of ``photos/``, as ``classes.py`` wants it.
The figures go to ``models/calibration.json``; a build needs them, and no photographs. Do it
again whenever a float graph has changed, and put the hashes that the build then names into
the catalogue.

A range is the mean of what single runs need. One that covers the rarest value of all leaves
fewer steps to all others, and was measured to cost more.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from phiz.classifiers import Classifier, read_labels
from phiz.convert import calibration
from phiz.convert.calibration import Calibration
from phiz.convert.quantise import rounded_tensors
from phiz.detectors.factory import KINDS
from phiz.faces import DetectOptions
from phiz.image.decode import open_picture
from phiz.lab.accuracy.labels import LIMITS
from phiz.lab.accuracy.photos import CALIBRATED, read_photos
from phiz.models import catalog
from phiz.models.specs import GROUPS, Group, ModelCard, NetworkCard
from phiz.runtime import Session
from phiz.timings import Stopwatch

EVERY = 4
FIGURES = Path(__file__).parents[2] / "models" / "calibration.json"
LARGE_FACES = "front"


class Recorder:
    """A network in float32 that remembers what its tensors were.

    Attributes:
        card: Of the network.
        tensors: Those that are to be in 8 bits.
        extremes: Least and largest of each in every run, (runs, tensors, 2).
    """

    def __init__(self, card: NetworkCard, graph: bytes) -> None:
        self.card = card
        self.tensors = rounded_tensors(graph, card.architecture)
        self.extremes: list[NDArray[np.float32]] = []
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

    def calibration(self) -> Calibration:
        """Return the mean extremes, to four digits."""
        means = np.array(self.extremes, np.float64).mean(axis=0)  # (tensors, 2)
        ranges = {
            name: (float(f"{low:.4g}"), float(f"{high:.4g}"))
            for name, (low, high) in zip(self.tensors, means.tolist(), strict=True)
        }
        return Calibration(self.card.sha256, ranges)


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--models", type=click.Path(path_type=Path), help="Folder of the built models.")
@click.option("--group", type=click.Choice(GROUPS), help="Only the networks of this group.")
def main(data: Path, models: Path | None, group: Group | None) -> None:
    """Calibrate all networks of a group, or all of both."""
    folder = models or catalog.default_folder()
    found = calibration.load()
    for model in catalog.load().group(group):
        recorders = RECORD[model.group](model, folder, data)
        found |= {each.card.name: each.calibration() for each in recorders}
        print(f"{model.name}: {', '.join(each.card.name for each in recorders)}")
    FIGURES.write_text(calibration.dump(found), "utf-8")


def pictures(data: Path, model: ModelCard) -> Iterator[Path]:
    """Yield the pictures that a model is calibrated on."""
    for number, picture in enumerate(listed(data / "wider")):
        if number % EVERY:
            yield picture
    if model.name == LARGE_FACES:
        yield from listed(data / "lfpw")


def listed(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of its annotations."""
    labels = json.loads((folder / "annotations.json").read_text())
    return [folder / "images" / label["image"] for label in labels]


def record_faces(model: ModelCard, folder: Path, data: Path) -> list[Recorder]:
    """Return the networks of a model after it has looked for faces in some pictures."""
    recorders: list[Recorder] = []
    detector = KINDS[model.kind](model, recording(folder, recorders), "half-pixel")
    for path in pictures(data, model):
        picture = open_picture(path.read_bytes(), LIMITS)
        detector.detect(picture, DetectOptions(), Stopwatch())
    return recorders


def record_classes(model: ModelCard, folder: Path, data: Path) -> list[Recorder]:
    """Return the network of a classifier after it has looked at every other photograph."""
    (card,) = model.networks
    recorder = Recorder(card, catalog.read_network(card, folder))
    assert model.input_size is not None, "the catalogue gives every classifier its input size"
    classifier = Classifier(model.input_size, recorder, read_labels())
    for photo in read_photos(data, CALIBRATED):
        classifier.classify(open_picture(photo.path.read_bytes(), LIMITS), 1, Stopwatch())
    return [recorder]


def recording(folder: Path, recorders: list[Recorder]) -> Callable[[NetworkCard], Session]:
    """Return what loads a network and adds it to the recorders."""

    def load(card: NetworkCard) -> Session:
        recorders.append(Recorder(card, catalog.read_network(card, folder)))
        return recorders[-1]

    return load


RECORD: Final[Mapping[Group, Callable[[ModelCard, Path, Path], list[Recorder]]]] = {
    "face": record_faces,
    "classify": record_classes,
}

if __name__ == "__main__":
    main()
