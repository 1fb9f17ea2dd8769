"""Whether ``phiz evaluate`` measures what others' own answers measure: one table.

::

    python -m benchmarks.accuracy.evaluation --data DIR

``mtcnn`` is held against facenet-pytorch's own detections, ``back`` against its file in LiteRT
with everything around it written plainly (``plain.py``), both at the peers' sampling and score
limits. All answers go through the same metric. The exit status is 1 if an average precision
differs by more than 0.01.

``DIR`` has labelled photographs in ``wider/``, as ``phiz evaluate`` reads them.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.accuracy.plain import PlainBlazeFace
from benchmarks.kit.environments import PEERS, make_environment
from benchmarks.kit.options import PEERS_FOLDER, data_option, models_option, sources_option
from benchmarks.kit.precision import (
    HELD_OUT_EVERY,
    Detected,
    compute_precision,
    read_held_out_labels,
)
from benchmarks.kit.report import build_table, print_tables, track_progress
from phiz import engine
from phiz.boxes.geometry import clip_boxes
from phiz.convert.download import open_source_folder
from phiz.convert.sources import read_source
from phiz.faces import DetectOptions
from phiz.image.decode import decode_image
from phiz.lab.accuracy.labels import LEVELS, PHOTOGRAPH_LIMITS, LabelledImage
from phiz.lab.accuracy.predictions import predict_faces, to_boxes, to_scores
from phiz.models import catalog

MAX_DIFFERENCE = 0.01  # that an average precision may differ by
OPTIONS = {"mtcnn": DetectOptions(0.7, 20, overlap="nms"), "back": DetectOptions(0.05)}


@click.command()
@data_option
@models_option
@click.option("--every", type=click.IntRange(1), default=HELD_OUT_EVERY, show_default=True)
@click.option("--model", "names", type=click.Choice([*OPTIONS]), multiple=True, default=[*OPTIONS])
@click.option(
    "--facenet",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Python that has facenet-pytorch.  [default: one is made beside this file]",
)
@sources_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path | None,
    every: int,
    names: Sequence[str],
    facenet: Path | None,
    sources: Path | None,
) -> None:
    """Compare average precision with that of other implementations."""
    labels = read_held_out_labels(data, every)
    rows, differences = [], []
    for name in names:
        if name == "mtcnn":
            python = facenet or make_environment("facenet", PEERS_FOLDER)
            theirs = list(detect_with_facenet(python, track_progress(labels, "facenet-pytorch")))
        else:
            theirs = list(
                detect_with_plain_blazeface(name, sources, track_progress(labels, "LiteRT"))
            )
        ours = list(detect_with_phiz(name, models, track_progress(labels, name)))
        for level in LEVELS:
            one, other = (compute_precision(labels, each, level) for each in (ours, theirs))
            differences.append(abs(one - other))
            rows.append((name, level, f"{one:.4f}", f"{other:.4f}", f"{one - other:+.4f}"))
    headings = ("AP ours", "AP theirs", "difference")
    print_tables(build_table(["model", "level"], headings, rows))
    sys.exit(max(differences) > MAX_DIFFERENCE)


def detect_with_phiz(
    name: str, models: Path | None, labels: Iterable[LabelledImage]
) -> Iterator[Detected]:
    """Yield what a model of ours finds, in the reference sampling."""
    loaded = engine.build_engine(
        models or catalog.get_default_folder(), "reference", PHOTOGRAPH_LIMITS, [name]
    )
    for seen in predict_faces(loaded, name, OPTIONS[name], labels):
        yield to_boxes(seen.faces), to_scores(seen.faces)


def detect_with_facenet(python: Path, labels: Iterable[LabelledImage]) -> Iterator[Detected]:
    """Yield what facenet-pytorch finds, its boxes cut to the picture as ours are."""
    command = [python, PEERS / "facenet_faces.py"]
    with subprocess.Popen(  # noqa: S603  a Python that was named, and a file beside this one
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None, "it is a pipe"
        assert worker.stdout is not None, "it is a pipe"
        for label in labels:
            print(label.path.resolve(), file=worker.stdin, flush=True)
            faces = np.array(json.loads(worker.stdout.readline()), np.float32).reshape(-1, 5)
            height, width, _ = decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS).shape
            yield clip_boxes(faces[:, :4], width, height), faces[:, 4]
        worker.stdin.close()


def detect_with_plain_blazeface(
    name: str, sources: Path | None, labels: Iterable[LabelledImage]
) -> Iterator[Detected]:
    """Yield what a plain BlazeFace finds."""
    (network,) = catalog.load_catalog().get_model(name).networks
    with open_source_folder([network], print, sources) as packages:
        detector = PlainBlazeFace.open(read_source(network.made_from, packages))
    min_score = OPTIONS[name].min_score
    assert min_score is not None, "it is given above"
    for label in labels:
        faces = detector.detect(decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS), min_score)
        boxes = np.array([each for _, each in faces], np.float32).reshape(-1, 4)
        yield boxes, np.array([score for score, _ in faces], np.float32)


if __name__ == "__main__":
    main()
