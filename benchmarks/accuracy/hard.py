r"""Faces that are found in hard images: turned, dark, blurred, covered, cut, or far too small.

::

    python -m benchmarks.accuracy.hard --data DIR --peers \
        --json docs/measured/hard.json --table docs/measured/hard.md

``DIR`` has ``lfpw/``, ``wider/`` and ``nofaces/``, as ``phiz evaluate`` reads them. A portrait of
``lfpw/`` counts as found if a box overlaps the labelled one as far as ``phiz evaluate`` asks for.
Groups are every fourth image of ``wider/``, and their figure is the recall of ``medium`` faces.
All images are given as BMP, so that only the distortion has changed them.

Models are compared at like limits: for each the lowest score limit at which at most two images of
``nofaces/`` have a detection, found in the same run. A second table has their default limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import click

from benchmarks.accuracy import distortions
from benchmarks.accuracy.distortions import Distortion, Scene
from benchmarks.accuracy.hard_figures import (
    AskedScene,
    HardRow,
    compare_auto,
    compute_like_limit,
    count_alarms,
    describe_verdict,
    format_figures,
    summarise_row,
)
from benchmarks.accuracy.participants import AskFaces, ask_model, open_peers
from benchmarks.kit.options import (
    ask_peers_option,
    data_option,
    json_option,
    models_option,
    pythons_option,
    sources_option,
    table_option,
)
from benchmarks.kit.precision import read_held_out_labels
from benchmarks.kit.report import replace_block, round_figures, write_entry
from phiz.detectors.factory import list_model_names
from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.image.decode import decode_image
from phiz.lab.accuracy.alignment import SAME_FACE_IOU
from phiz.lab.accuracy.figures import MIN_IOU
from phiz.lab.accuracy.jitter import encode_bmp
from phiz.lab.accuracy.labels import ALL, PHOTOGRAPH_LIMITS, LabelledImage, read_annotations
from phiz.lab.commands.progress import track_items
from phiz.models.catalog import load_catalog

GROUP_LEVEL: Final = "medium"
DARK: Final = partial(distortions.add_shot_noise, brightness=0.1)
PORTRAIT_DISTORTIONS: Final[Mapping[str, Distortion]] = {
    "unchanged": distortions.keep_scene,
    **{
        f"turned by {degrees}°": partial(distortions.turn_scene, degrees=degrees)
        for degrees in (15, 30, 45, 60, 90, 180, 270)
    },
    **{f"gamma {gamma}": partial(distortions.apply_gamma, gamma=gamma) for gamma in (3, 5)},
    "a tenth of the light, shot noise": DARK,
    **{
        f"blurred, sigma {sigma:g} IOD": partial(distortions.blur_scene, sigma_iod=sigma)
        for sigma in (0.1, 0.2)
    },
    **{
        f"JPEG quality {quality}": partial(distortions.compress_scene, quality=quality)
        for quality in (10, 4)
    },
    "grey": distortions.remove_colour,
    "lower half covered": distortions.cover_lower_half,
    "eyes covered": distortions.cover_eyes,
    "cropped to the face": partial(distortions.crop_to_first_face, margin=0.0),
    "cropped 5 % inside the face": partial(distortions.crop_to_first_face, margin=-0.05),
    "left third cut off": partial(distortions.cut_first_face, side="left"),
    "upper third cut off": partial(distortions.cut_first_face, side="top"),
    "lower third cut off": partial(distortions.cut_first_face, side="bottom"),
    **{
        f"alone, {side} px": partial(distortions.isolate_first_face, side_px=side)
        for side in (28, 20, 16, 12)
    },
}
CLOSE_UPS: Final = ("cropped to the face", "cropped 5 % inside the face")
"""The rows whose images show one face and nothing else."""
GROUP_DISTORTIONS: Final[Mapping[str, Distortion]] = {
    "group, unchanged": distortions.keep_scene,
    "group, grey": distortions.remove_colour,
    "group, a tenth of the light, shot noise": DARK,
    "group, a quarter of the size": partial(distortions.scale_scene, factor=0.25),
    "group, JPEG quality 10": partial(distortions.compress_scene, quality=10),
}


@click.command()
@data_option
@models_option
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Take every n-th portrait and group; limits always have all images without faces.",
)
@ask_peers_option
@pythons_option
@sources_option
@json_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path,
    every: int,
    with_peers: bool,
    pythons: Sequence[str],
    sources: Path | None,
    document: Path | None,
    page: Path | None,
) -> None:
    """Measure which faces of hard images are found."""
    names = list_model_names(load_catalog())
    engine = build_engine(models, "half-pixel", PHOTOGRAPH_LIMITS, names)
    options = DetectOptions()
    with open_peers(pythons, sources, wanted=with_peers) as peers:
        participants = {name: partial(ask_model, engine, name, options) for name in names} | peers
        faceless = list(ask_faceless(participants, read_annotations(data / "nofaces")))
        limits = {name: compute_like_limit(faceless, name) for name in participants}
        portraits = read_annotations(data / "lfpw")[::every]
        groups = read_held_out_labels(data)[::every]
        rows = [
            *measure_rows(participants, PORTRAIT_DISTORTIONS, portraits, ALL, limits),
            *measure_rows(participants, GROUP_DISTORTIONS, groups, GROUP_LEVEL, limits),
        ]
    alarms = {name: count_alarms(faceless, name) for name in participants}
    verdict = describe_verdict(rows, names)
    text = format_figures(rows, limits, alarms, len(faceless), names)
    click.echo(f"{text}\n{verdict}")
    if page:
        replace_block(page, "hard", f"{text}\n{verdict}\n")
    figures = {
        "every": every,
        "limits": limits,
        "alarms": alarms,
        "faceless": len(faceless),
        "rows": [asdict(row) | {"auto_points": compare_auto(row, names)} for row in rows],
        "verdict": verdict,
    }
    write_entry(document, "hard", round_figures(figures))


def ask_faceless(
    participants: Mapping[str, AskFaces], labels: Sequence[LabelledImage]
) -> Iterator[AskedScene]:
    """Yield the answers to images without faces."""
    for label in track_items(labels, "images without faces"):
        yield ask_scene(participants, read_scene(label), label, ALL)


def measure_rows(
    participants: Mapping[str, AskFaces],
    distort_by_name: Mapping[str, Distortion],
    labels: Sequence[LabelledImage],
    level: str,
    limits: Mapping[str, float],
) -> Iterator[HardRow]:
    """Yield the figures of each distortion."""
    min_iou = SAME_FACE_IOU if level == ALL else MIN_IOU
    for name, distort in distort_by_name.items():
        asked = [
            ask_scene(participants, distort(read_scene(label)), label, level)
            for label in track_items(labels, name)
        ]
        yield summarise_row(name, asked, limits, min_iou, is_close_up=name in CLOSE_UPS)


def read_scene(label: LabelledImage) -> Scene:
    """Return a labelled image, decoded."""
    image = decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS)
    return Scene(image, label.faces, label.landmarks)


def ask_scene(
    participants: Mapping[str, AskFaces], scene: Scene, label: LabelledImage, level: str
) -> AskedScene:
    """Return the answers of all participants to a scene, in which the faces of a level count."""
    image_bytes = encode_bmp(scene.image)
    answers = {name: ask(image_bytes) for name, ask in participants.items()}
    return AskedScene(scene.boxes, label.counted[level][: len(scene.boxes)], answers)


if __name__ == "__main__":
    main()
