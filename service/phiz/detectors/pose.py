"""The pose of a head: how far it is turned, from the landmarks of its face.

A mean head is turned, scaled and moved until its landmarks fit best (least squares, by the method
of Gauss and Newton). The camera is taken to be far away (weak perspective; Hartley and Zisserman,
Multiple View Geometry, section 6.3.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.faces import Face, Pose

# The landmarks of a mean head, mm: to the right, down, and towards the viewer from the point midway
# between the eyes. Rounded from measurements of adults.
HEAD_MM: Final[Mapping[str, tuple[float, float, float]]] = {
    "left_eye": (-31, 0, 0),
    "right_eye": (31, 0, 0),
    "nose": (0, 36, 34),
    "mouth_left": (-25, 68, 6),
    "mouth_right": (25, 68, 6),
    "mouth": (0, 68, 12),
    "left_ear": (-72, 18, -62),
    "right_ear": (72, 18, -62),
}
_STEPS: Final = 8  # four are enough for most faces
_RIDGE: Final = 1e-6  # for landmarks that are all in one place
_MAX_ANGLE: Final = np.pi / 2  # a face is never seen from behind

Floats: TypeAlias = NDArray[np.float64]


def with_poses(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Return faces with their poses."""
    by_names: dict[tuple[str, ...], list[int]] = {}
    for place, face in enumerate(faces):
        by_names.setdefault(tuple(face.landmarks), []).append(place)
    posed = list(faces)
    for names, places in by_names.items():
        points = np.array([list(faces[place].landmarks.values()) for place in places])  # (F, K, 2)
        head = np.array([HEAD_MM[name] for name in names])  # (K, 3)
        for place, angles in zip(places, compute_angles(points, head).tolist(), strict=True):
            posed[place] = replace(faces[place], pose=Pose(*angles))
    return tuple(posed)


def compute_angles(points: Floats, head: Floats) -> Floats:
    """Return yaw, pitch and roll (F, 3) of faces, degrees.

    Args:
        points: (F, K, 2), landmarks in pixels.
        head: (K, 3), the same landmarks of the mean head, as in ``HEAD_MM``.
    """
    eyes = points[:, 1] - points[:, 0]  # (F, 2), of the first two landmarks
    centre = points.mean(axis=1, keepdims=True)  # (F, 1, 2)
    spread = np.sqrt(np.square(points - centre).sum(axis=(1, 2))) + _RIDGE  # (F,)
    observed = (points - centre) / spread[:, None, None]  # (F, K, 2)
    model = (head - head.mean(axis=0)) / np.sqrt(np.square(head[:, :2]).sum())  # (K, 3)
    # Yaw, pitch, roll, the logarithm of the scale, and the shift.
    state = np.zeros((len(points), 6))
    state[:, 2] = np.arctan2(eyes[:, 1], eyes[:, 0])
    for _ in range(_STEPS):
        residuals, slopes = _compare(state, observed, model)  # (F, 2K), (F, 2K, 6)
        transposed = slopes.transpose(0, 2, 1)  # (F, 6, 2K)
        normal = transposed @ slopes + _RIDGE * np.eye(6)  # (F, 6, 6)
        step = np.linalg.solve(normal, transposed @ residuals[..., None])[..., 0]  # (F, 6)
        state += np.clip(step, -0.5, 0.5)
        state[:, :2] = np.clip(state[:, :2], -_MAX_ANGLE, _MAX_ANGLE)
    angles: Floats = np.degrees(state[:, :3])
    angles[:, 2] = (angles[:, 2] + 180) % 360 - 180
    return angles


def _compare(state: Floats, observed: Floats, model: Floats) -> tuple[Floats, Floats]:
    """Return how far the landmarks are from the model's (F, 2K), and its slopes (F, 2K, 6)."""
    yaw, pitch, roll, scale, x, y = (column[:, None] for column in state.T)  # (F, 1) each
    across, down, out = model.T  # (K,) each
    # A positive yaw turns the nose to the right of the image, a positive pitch upwards.
    turned = across * np.cos(yaw) + out * np.sin(yaw)  # (F, K)
    depth = out * np.cos(yaw) - across * np.sin(yaw)  # (F, K)
    tilted = down * np.cos(pitch) - depth * np.sin(pitch)  # (F, K)
    size, cos, sin = np.exp(scale), np.cos(roll), np.sin(roll)
    horizontal = size * (turned * cos - tilted * sin)  # (F, K)
    vertical = size * (turned * sin + tilted * cos)  # (F, K)
    by_yaw = depth, turned * np.sin(pitch)  # of turned and tilted
    by_pitch = np.zeros_like(turned), -down * np.sin(pitch) - depth * np.cos(pitch)
    one, nought = np.ones_like(turned), np.zeros_like(turned)

    def rotate(first: Floats, second: Floats) -> Floats:
        turned_xy = first * cos - second * sin, first * sin + second * cos
        columns: Floats = np.stack(turned_xy, axis=-1) * size[..., None]  # (F, K, 2)
        return columns

    columns = (
        rotate(*by_yaw),
        rotate(*by_pitch),
        np.stack([-vertical, horizontal], axis=-1),
        np.stack([horizontal, vertical], axis=-1),
        np.stack([one, nought], axis=-1),
        np.stack([nought, one], axis=-1),
    )  # (F, K, 2) each
    predicted = np.stack([horizontal + x, vertical + y], axis=-1)  # (F, K, 2)
    count = len(state)
    slopes = np.stack(columns, axis=-1).reshape(count, -1, 6)  # (F, 2K, 6)
    return (observed - predicted).reshape(count, -1), slopes
