"""Ids from frame to frame, and what smoothing gains and costs.

::

    python -m benchmarks.accuracy.tracking --data DIR

``DIR/video`` holds folders of frames, as ``phiz evaluate`` reads them. The ids and the jitter are
those of each film. Its first frame is also moved to the right, at known speeds: what a smoothed
face is behind the image is its delay.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.kit.options import data_option, model_option, models_option
from phiz.detectors import factory
from phiz.detectors.detector import Detector
from phiz.faces import DetectOptions, Face, RgbImage
from phiz.image.decode import decode_image
from phiz.image.lazy import LazyImage
from phiz.lab.accuracy.jitter import measure_film_steps
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.models import catalog
from phiz.timings import Stopwatch
from phiz.tracking.tracker import TrackedFace, Tracks, update_tracks

FPS = 25
SPEEDS = (0.5, 1.0, 2.0)  # widths of the face per second
STILL_FRAMES, MOVING_FRAMES = 10, 25
SETTLED_FRAMES = 8  # after which the delay no longer grows


@click.command()
@data_option
@models_option
@model_option
def main(data: Path, models: Path, names: Sequence[str]) -> None:
    """Measure tracking on films."""
    detectors = factory.load_detectors(catalog.load_catalog(), models, "half-pixel", names)
    for folder in sorted(path for path in (data / "video").iterdir() if path.is_dir()):
        images = [
            decode_image(path.read_bytes(), PHOTOGRAPH_LIMITS) for path in sorted(folder.iterdir())
        ]
        for name in names:
            click.echo(f"{folder.name}, {name}: {describe_film(detectors[name], images)}")
            click.echo(f"  {describe_motion(detectors[name], images[0])}")


def describe_film(detector: Detector, images: Sequence[RgbImage]) -> str:
    """Return in words the ids and the jitter of a film, raw and smoothed."""
    frames = find_faces(detector, images)
    single, smooth = (follow_faces(frames, smooth=smooth) for smooth in (False, True))
    ids = {face.id for faces in single for face in faces}
    with_first = sum(any(face.id == 1 for face in faces) for faces in single)
    squares = [measure_film_steps(list(map(pick_first, each))) for each in (single, smooth)]
    (median, smooth_median), (mean, smooth_mean) = (
        [float(summarise(each)) ** 0.5 for each in squares] for summarise in (np.median, np.mean)
    )
    return (
        f"{len(ids)} ids, the first in {with_first} of {len(images)} frames; jitter {median:.2%} of"
        f" the distance of the eyes, smoothed {smooth_median:.2%}: {smooth_median / median:.2f}"
        f" (by the mean {smooth_mean / mean:.2f})"
    )


def describe_motion(detector: Detector, image: RgbImage) -> str:
    """Return in words how far smoothed faces are behind a moving image."""
    (face, *_), *_ = find_faces(detector, [image])
    width_px = face.box[2] - face.box[0]
    words = []
    for speed in SPEEDS:
        steps = np.clip(np.arange(-STILL_FRAMES, MOVING_FRAMES), 0, None) / FPS
        shifts = np.rint(speed * width_px * steps).astype(int)
        room_px = int(shifts.max())
        frames = find_faces(detector, [move_image(image, shift, room_px) for shift in shifts])
        late = []
        for single, smooth in zip(
            follow_faces(frames, smooth=False), follow_faces(frames, smooth=True), strict=True
        ):
            late.append((compute_centre(single[0]) - compute_centre(smooth[0])) / width_px)
        steady = float(np.mean(late[STILL_FRAMES + SETTLED_FRAMES :]))
        words.append(
            f"{speed:g} widths/s: {steady:.1%} of the width behind ({1000 * steady / speed:.0f}"
            f" ms), at most {max(late):.1%}"
        )
    return "; ".join(words)


def find_faces(detector: Detector, images: Sequence[RgbImage]) -> list[Sequence[Face]]:
    """Return the faces of each image."""
    detect = partial(detector.detect, options=DetectOptions(), stopwatch=Stopwatch())
    return [detect(LazyImage.from_array(image)).faces for image in images]


def follow_faces(
    frames: Sequence[Sequence[Face]], *, smooth: bool
) -> list[tuple[TrackedFace, ...]]:
    """Return the faces of each frame with their ids."""
    tracks, found = Tracks(), []
    for number, faces in enumerate(frames):
        tracks, tracked = update_tracks(tracks, faces, number / FPS, smooth=smooth)
        found.append(tracked)
    return found


def pick_first(faces: Sequence[TrackedFace]) -> Face | None:
    """Return the best face of a frame."""
    return faces[0].face if faces else None


def compute_centre(tracked: TrackedFace) -> float:
    """Return x of the centre of a face."""
    return (tracked.face.box[0] + tracked.face.box[2]) / 2


def move_image(image: RgbImage, shift_px: int, room_px: int) -> RgbImage:
    """Return an image (H, W, 3) moved to the right, with room on that side, (H, W + room, 3)."""
    height, width, _ = image.shape
    canvas = np.empty((height, width + room_px, 3), np.uint8)
    canvas[:] = image.mean((0, 1))
    canvas[:, shift_px : shift_px + width] = image
    return canvas


if __name__ == "__main__":
    main()
