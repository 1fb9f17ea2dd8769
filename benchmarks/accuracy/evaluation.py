"""Whether ``phiz evaluate`` gives others' own answers the same figures: one table.

::

    python -m benchmarks.accuracy.evaluation --data DIR

``mtcnn`` is held against facenet-pytorch's own detections, ``back`` against its file in LiteRT
with everything around it written plainly (``plain.py``), both at the peers' sampling and score
limits. All answers go through the same metric. The exit status is 1 if an average precision
differs by more than 0.01.

``DIR`` has labelled photographs in ``wider/``, as ``phiz evaluate`` reads them.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.accuracy.plain import PlainBlazeFace
from benchmarks.kit import precision
from benchmarks.kit.environments import PEERS, make_environment
from benchmarks.kit.options import FILE, PEERS_FOLDER, data_option, models_option, sources_option
from benchmarks.kit.report import build_table, print_tables
from benchmarks.kit.workers import open_workers
from phiz.boxes.geometry import clip_boxes
from phiz.convert.download import open_source_folder
from phiz.convert.sources import read_source
from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.image.decode import decode_image
from phiz.lab.accuracy.labels import LEVELS, PHOTOGRAPH_LIMITS, LabelledImage
from phiz.lab.commands.progress import track_items
from phiz.models import catalog

MAX_DIFFERENCE = 0.01  # that an average precision may differ by
MIN_SCORE = 0.05  # of back
OPTIONS = {"mtcnn": DetectOptions(0.7, 20, overlap="nms"), "back": DetectOptions(MIN_SCORE)}


@click.command()
@data_option
@models_option
@click.option(
    "--every", type=click.IntRange(1), default=precision.HELD_OUT_EVERY, show_default=True
)
@click.option("--model", "names", type=click.Choice([*OPTIONS]), multiple=True, default=[*OPTIONS])
@click.option(
    "--facenet",
    type=FILE,
    help="A Python that has facenet-pytorch.  [default: one is made beside this file]",
)
@sources_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path,
    every: int,
    names: Sequence[str],
    facenet: Path | None,
    sources: Path | None,
) -> None:
    """Compare average precision with that of other implementations."""
    labels = precision.read_held_out_labels(data, every)
    rows, differences = [], []
    for name in names:
        if name == "mtcnn":
            python = facenet or make_environment("facenet", PEERS_FOLDER)
            theirs = list(detect_with_facenet(python, labels))
        else:
            theirs = list(detect_with_plain_blazeface(sources, labels))
        engine = build_engine(models, "reference", PHOTOGRAPH_LIMITS, [name])
        ours = precision.detect_faces(engine, name, OPTIONS[name], track_items(labels, name))
        for level in LEVELS:
            one, other = (
                precision.compute_precision(labels, each, level) for each in (ours, theirs)
            )
            differences.append(abs(one - other))
            rows.append((name, level, f"{one:.4f}", f"{other:.4f}", f"{one - other:+.4f}"))
    headings = ("AP ours", "AP theirs", "difference")
    print_tables(build_table(["model", "level"], headings, rows))
    sys.exit(max(differences) > MAX_DIFFERENCE)


def detect_with_facenet(
    python: Path, labels: Sequence[LabelledImage]
) -> Iterator[precision.Detected]:
    """Yield the faces that facenet-pytorch finds, clipped to the image as ours are."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as paths:
        paths.write("".join(f"{label.path.resolve()}\n" for label in labels))
        paths.flush()
        with open_workers({"facenet": [python, PEERS / "facenet.py", paths.name]}) as workers:
            for item, label in enumerate(track_items(labels, "facenet-pytorch")):
                (found,) = workers.run(("faces", "facenet-pytorch"), item, 1)
                height, width, _ = decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS).shape
                boxes = np.array(found["boxes"], np.float32).reshape(-1, 4)
                yield clip_boxes(boxes, width, height), np.array(found["scores"], np.float32)


def detect_with_plain_blazeface(
    sources: Path | None, labels: Sequence[LabelledImage]
) -> Iterator[precision.Detected]:
    """Yield the faces that a plain BlazeFace of the network of ``back`` finds."""
    (network,) = catalog.load_catalog().get_model("back").networks
    with open_source_folder([network], print, sources) as packages:
        detector = PlainBlazeFace.open(read_source(network.made_from, packages))
    for label in track_items(labels, "LiteRT"):
        faces = detector.detect(decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS), MIN_SCORE)
        boxes = np.array([each for _, each in faces], np.float32).reshape(-1, 4)
        yield boxes, np.array([score for score, _ in faces], np.float32)


if __name__ == "__main__":
    main()
