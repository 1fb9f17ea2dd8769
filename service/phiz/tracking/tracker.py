"""The tracker: gives each face an id that stays from frame to frame, and smooths it on request.

Its state is a value. ``update_tracks`` returns the next one, and needs nothing but the faces of a
frame and its moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.faces import Boxes, Face, Indices
from phiz.tracking.association import compute_affinities, match_greedily
from phiz.tracking.smoothing import MIN_STEP_S, FloatArray, smooth_points

MIN_AFFINITY: Final = -0.1
"""Least distance-IoU of a face with its predicted box: about 0.85 widths beside it."""
MAX_MISSED: Final = 10
"""Frames without a face after which its id is given up. Ids are never given again."""
MAX_PREDICTED_S: Final = 0.25  # a face that was not found is not expected any farther
_VELOCITY_WEIGHT: Final = 0.5  # of the newest one
_CORNERS: Final = 2  # the first points of a face


def _make_points() -> FloatArray:
    return np.zeros((0, _CORNERS, 2))


@dataclass(frozen=True, slots=True)
class Tracks:
    """The faces that are followed: T tracks with P points each.

    Attributes:
        next_id: The next id.
        landmarks: Names of the landmarks, which are P - 2.
        ids: (T,).
        seen_s: (T,), when each face was last found, seconds.
        missed: (T,), frames since then.
        points: (T, P, 2), the corners of each box and its landmarks as found, pixels.
        velocities: (T, 2), of the centres, pixels per second.
        smooth: (T, P, 2), the smoothed points. NaN where nothing was found yet.
        speeds: (T, P, 2), of the smoothed points, pixels per second.
    """

    next_id: int = 1
    landmarks: tuple[str, ...] = ()
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    seen_s: FloatArray = field(default_factory=lambda: np.zeros(0))
    missed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    points: FloatArray = field(default_factory=_make_points)
    velocities: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    smooth: FloatArray = field(default_factory=_make_points)
    speeds: FloatArray = field(default_factory=_make_points)


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face with its id.

    Attributes:
        id: The same in all frames with this face.
        face: The face, smoothed if that was asked for.
    """

    id: int
    face: Face


def update_tracks(
    tracks: Tracks, faces: Sequence[Face], time_s: float, *, smooth: bool = False
) -> tuple[Tracks, tuple[TrackedFace, ...]]:
    """Return the tracks after one more frame, and its faces in their order.

    Args:
        tracks: The tracks before it.
        faces: Its faces. All have the same landmarks.
        time_s: Its moment; later than that of the last frame.
        smooth: Whether boxes and landmarks are smoothed.
    """
    if faces and (names := tuple(faces[0].landmarks)) != tracks.landmarks:
        tracks = _change_landmarks(tracks, names)
    points = _stack_points(faces, tracks.landmarks)  # (N, P, 2)
    predicted = _predict_boxes(tracks, time_s)  # (T, 4)
    boxes = points[:, :_CORNERS].reshape(-1, 4).astype(np.float32)  # (N, 4)
    sources = match_greedily(compute_affinities(predicted, boxes), MIN_AFFINITY)  # (N,)
    found = _continue_tracks(tracks, points, sources, time_s, smooth=smooth)
    shown = found.smooth if smooth else points
    answer = tuple(
        TrackedFace(number, _move_face(face, place) if smooth else face)
        for number, face, place in zip(found.ids.tolist(), faces, shown.tolist(), strict=True)
    )
    return _append_missed(found, tracks, sources), answer


def get_missed_boxes(tracks: Tracks) -> Boxes:
    """Return the last boxes (M, 4) of followed faces that the last frame has not."""
    return tracks.points[tracks.missed > 0, :_CORNERS].reshape(-1, 4).astype(np.float32)


def _continue_tracks(
    tracks: Tracks, points: FloatArray, sources: Indices, time_s: float, *, smooth: bool
) -> Tracks:
    """Return the tracks of the faces of a frame, of which those without a source are new."""
    is_new = sources < 0  # (N,)
    ids = np.where(is_new, tracks.next_id - 1 + np.cumsum(is_new), 0)
    ids[~is_new] = tracks.ids[sources[~is_new]]
    steps_s = np.full(len(points), MIN_STEP_S)
    steps_s[~is_new] = time_s - tracks.seen_s[sources[~is_new]]
    before, velocities = np.full_like(points, np.nan), np.zeros((len(points), 2))
    speeds, smoothed = np.zeros_like(points), points
    if not is_new.all():
        old = sources[~is_new]
        before[~is_new], speeds[~is_new] = tracks.smooth[old], tracks.speeds[old]
        moved = _compute_centres(points[~is_new]) - _compute_centres(tracks.points[old])
        newest = moved / np.maximum(steps_s[~is_new], MIN_STEP_S)[:, None]
        last = tracks.velocities[old]
        velocities[~is_new] = last + _VELOCITY_WEIGHT * (newest - last)
    if smooth:
        sides = points[:, 1] - points[:, 0]  # (N, 2)
        sizes_px = np.sqrt(np.maximum(sides[:, 0] * sides[:, 1], 0))  # (N,)
        smoothed, speeds = smooth_points(points, before, speeds, sizes_px, steps_s)
    return Tracks(
        tracks.next_id + int(is_new.sum()),
        tracks.landmarks,
        ids,
        np.full(len(points), time_s),
        np.zeros(len(points), np.int64),
        points,
        velocities,
        smoothed,
        speeds,
    )


def _append_missed(found: Tracks, tracks: Tracks, sources: Indices) -> Tracks:
    """Return tracks with those that this frame has no face of, unless they are given up."""
    is_kept = tracks.missed < MAX_MISSED  # (T,)
    is_kept[sources[sources >= 0]] = False
    if not is_kept.any():
        return found
    return Tracks(
        found.next_id,
        found.landmarks,
        np.concatenate([found.ids, tracks.ids[is_kept]]),
        np.concatenate([found.seen_s, tracks.seen_s[is_kept]]),
        np.concatenate([found.missed, tracks.missed[is_kept] + 1]),
        np.concatenate([found.points, tracks.points[is_kept]]),
        np.concatenate([found.velocities, tracks.velocities[is_kept]]),
        np.concatenate([found.smooth, tracks.smooth[is_kept]]),
        np.concatenate([found.speeds, tracks.speeds[is_kept]]),
    )


def _predict_boxes(tracks: Tracks, time_s: float) -> NDArray[np.float32]:
    """Return where the box of each track is expected, (T, 4)."""
    ahead_s = np.clip(time_s - tracks.seen_s, 0, MAX_PREDICTED_S)  # (T,)
    shifts = tracks.velocities * ahead_s[:, None]  # (T, 2)
    corners = tracks.points[:, :_CORNERS] + shifts[:, None]  # (T, 2, 2)
    return corners.reshape(-1, 4).astype(np.float32)


def _change_landmarks(tracks: Tracks, names: tuple[str, ...]) -> Tracks:
    """Return tracks with other landmarks, which are not found yet: another model is used."""

    def change(points: FloatArray, empty: float) -> FloatArray:
        others = np.full((len(points), len(names), 2), empty)
        return np.concatenate([points[:, :_CORNERS], others], axis=1)

    return replace(
        tracks,
        landmarks=names,
        points=change(tracks.points, np.nan),
        smooth=change(tracks.smooth, np.nan),
        speeds=change(tracks.speeds, 0.0),
    )


def _stack_points(faces: Sequence[Face], names: Sequence[str]) -> FloatArray:
    """Return the corners of each box and its landmarks, (N, P, 2)."""
    stacked = [
        (face.box[:2], face.box[2:], *(face.landmarks[name] for name in names)) for face in faces
    ]
    return np.array(stacked, float).reshape(len(faces), _CORNERS + len(names), 2)


def _compute_centres(points: FloatArray) -> FloatArray:
    """Return the centres (N, 2) of the boxes of points (N, P, 2)."""
    centres: FloatArray = points[:, :_CORNERS].mean(axis=1)
    return centres


def _move_face(face: Face, points: Sequence[Sequence[float]]) -> Face:
    """Return a face with other points: two corners, and its landmarks."""
    (x1, y1), (x2, y2), *others = points
    landmarks = {name: (x, y) for name, (x, y) in zip(face.landmarks, others, strict=True)}
    return replace(face, box=(x1, y1, x2, y2), landmarks=landmarks)
