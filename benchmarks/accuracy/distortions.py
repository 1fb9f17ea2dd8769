"""Distortions of labelled images: turned, dark, blurred, covered, cut, or far too small.

Each returns a new scene, with its boxes and landmarks where the faces then are. Boxes are as in
``phiz.faces``, landmarks as in ``phiz.lab.accuracy.labels``. Random numbers are the same in each
call.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

from phiz.boxes.geometry import clip_boxes
from phiz.faces import Boxes, Keypoints, RgbImage
from phiz.lab.accuracy.alignment import measure_eye_distance
from phiz.lab.accuracy.fddb import bound_ellipses

Side: TypeAlias = Literal["left", "top", "bottom"]

GREY: Final = 128  # beside turned images, and over covered faces
SEED: Final = 1
EYE_BAR: Final = (0.5, 0.35)  # of a bar over the eyes: beyond them, and above and below, in IOD
CUT_SHARE: Final = 1 / 3
BACKGROUND_WH: Final = (640, 480)
BACKGROUND_CELL_PX: Final = 32  # distance of the random values that it is smooth between
BACKGROUND_SPREAD: Final = (20.0, 2.0)  # standard deviations: of these values, and of each pixel
LONE_MARGIN: Final = 0.5  # around a lone face's box, shares of its sides: the head
LONE_CENTRE_XY: Final = (250, 190)


@dataclass(frozen=True, slots=True)
class Scene:
    """An image and its labelled faces.

    Attributes:
        image: (H, W, 3).
        boxes: (F, 4).
        landmarks: (F, 5, 2), the eyes first; NaN where they are not labelled.
    """

    image: RgbImage
    boxes: Boxes
    landmarks: Keypoints

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image."""
        return self.image.shape[1], self.image.shape[0]


Distortion: TypeAlias = Callable[[Scene], Scene]


def keep_scene(scene: Scene) -> Scene:
    """Return a scene as it is."""
    return scene


def turn_scene(scene: Scene, degrees: float) -> Scene:
    """Return a scene turned clockwise on a larger grey canvas that holds all of it.

    A box becomes the upright one around the turned ellipse in it, since faces have no corners.
    """
    turned = Pillow.fromarray(scene.image).rotate(
        -degrees, Pillow.Resampling.BICUBIC, expand=True, fillcolor=(GREY,) * 3
    )
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]])  # of columns x, y, with y downwards
    before, after = np.array(scene.size_wh) / 2, np.array(turned.size) / 2

    def turn_points(points: NDArray[np.float32]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = (points - before) @ matrix.T + after
        return moved

    low, high = scene.boxes[:, :2], scene.boxes[:, 2:]  # (F, 2) each
    radii, centres = (high - low) / 2, turn_points((low + high) / np.float32(2))  # (F, 2) each
    boxes = bound_ellipses(np.c_[radii, np.full(len(low), angle), centres])
    return Scene(np.array(turned), boxes, turn_points(scene.landmarks).astype(np.float32))


def apply_gamma(scene: Scene, gamma: float) -> Scene:
    """Return a scene whose values from 0 to 1 are raised to a power; above 1 darkens it."""
    curve = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)  # (256,)
    return replace(scene, image=curve[scene.image])


def add_shot_noise(scene: Scene, brightness: float) -> Scene:
    """Return a scene at a share of its brightness, with one photon for each step that is left."""
    photons = np.random.default_rng(SEED).poisson(scene.image * brightness)  # (H, W, 3)
    return replace(scene, image=np.minimum(photons, 255).astype(np.uint8))


def blur_scene(scene: Scene, sigma_iod: float) -> Scene:
    """Return a scene blurred by a Gaussian of so many distances of the first face's eyes."""
    sigma_px = sigma_iod * measure_eye_distance(scene.landmarks[0])
    blurred = Pillow.fromarray(scene.image).filter(ImageFilter.GaussianBlur(sigma_px))
    return replace(scene, image=np.array(blurred))


def compress_scene(scene: Scene, quality: int) -> Scene:
    """Return a scene as a JPEG of a quality shows it."""
    file = BytesIO()
    Pillow.fromarray(scene.image).save(file, "JPEG", quality=quality)
    with Pillow.open(file) as opened:
        return replace(scene, image=np.array(opened))


def remove_colour(scene: Scene) -> Scene:
    """Return a scene in grey."""
    return replace(scene, image=np.array(Pillow.fromarray(scene.image).convert("L").convert("RGB")))


def cover_lower_half(scene: Scene) -> Scene:
    """Return a scene with grey over the lower half of each face's box, as a mask covers it."""
    areas = scene.boxes.copy()  # (F, 4)
    areas[:, 1] = (areas[:, 1] + areas[:, 3]) / 2
    return _cover_areas(scene, areas)


def cover_eyes(scene: Scene) -> Scene:
    """Return a scene with a grey bar over the eyes of each face."""
    eyes = scene.landmarks[:, :2]  # (F, 2, 2)
    distances = np.hypot(*(eyes[:, 1] - eyes[:, 0]).T)  # (F,)
    margins = distances[:, None] * np.array(EYE_BAR, np.float32)  # (F, 2)
    low, high = eyes.min(axis=1) - margins, eyes.max(axis=1) + margins  # (F, 2) each
    return _cover_areas(scene, np.concatenate([low, high], axis=1))


def crop_to_first_face(scene: Scene, margin: float) -> Scene:
    """Return the crop around the first face's box, with shares of its sides added on each side."""
    box = scene.boxes[0]
    added = margin * np.tile(box[2:] - box[:2], 2) * [-1, -1, 1, 1]  # (4,)
    return _crop_scene(scene, box + added)


def cut_first_face(scene: Scene, side: Side) -> Scene:
    """Return the crop whose border cuts a third of the first face off."""
    left, top, right, bottom = scene.boxes[0].tolist()
    width, height = scene.size_wh
    window = {
        "left": (left + CUT_SHARE * (right - left), 0, width, height),
        "top": (0, top + CUT_SHARE * (bottom - top), width, height),
        "bottom": (0, 0, width, bottom - CUT_SHARE * (bottom - top)),
    }
    return _crop_scene(scene, np.array(window[side]))


def scale_scene(scene: Scene, factor: float) -> Scene:
    """Return a scene whose sides have a share of their pixels."""
    width, height = (max(1, round(side * factor)) for side in scene.size_wh)
    scaled = Pillow.fromarray(scene.image).resize((width, height), Pillow.Resampling.BICUBIC)
    ratios = np.divide((width, height), scene.size_wh, dtype=np.float32)  # (2,)
    return Scene(np.array(scaled), scene.boxes * np.tile(ratios, 2), scene.landmarks * ratios)


def isolate_first_face(scene: Scene, side_px: float) -> Scene:
    """Return the first face's head alone on a large background, its box this long."""
    head = crop_to_first_face(scene, LONE_MARGIN)
    sides = head.boxes[0, 2:] - head.boxes[0, :2]  # (2,)
    small = scale_scene(head, side_px / float(sides.max()))
    width, height = small.size_wh
    corner = np.array(LONE_CENTRE_XY) - np.array([width, height]) // 2  # (2,)
    left, top = corner.tolist()
    canvas = draw_background()
    canvas[top : top + height, left : left + width] = small.image
    moved = corner.astype(np.float32)
    return Scene(canvas, small.boxes[:1] + np.tile(moved, 2), small.landmarks[:1] + moved)


def draw_background() -> RgbImage:
    """Return grey clouds with a little noise (H, W, 3), and nothing like a face."""
    width, height = BACKGROUND_WH
    random = np.random.default_rng(SEED)
    cloud_spread, pixel_spread = BACKGROUND_SPREAD
    shape_hw = height // BACKGROUND_CELL_PX, width // BACKGROUND_CELL_PX
    cells = random.normal(GREY, cloud_spread, shape_hw).astype(np.float32)
    clouds = Pillow.fromarray(cells).resize((width, height), Pillow.Resampling.BICUBIC)
    noise = random.normal(0, pixel_spread, (height, width))
    grey = np.clip(np.round(np.array(clouds) + noise), 0, 255).astype(np.uint8)  # (H, W)
    return np.repeat(grey[..., None], 3, axis=2)


def _cover_areas(scene: Scene, areas: Boxes) -> Scene:
    """Return a scene with grey over areas (F, 4)."""
    image = scene.image.copy()
    for left, top, right, bottom in np.round(clip_boxes(areas, *scene.size_wh)).astype(int):
        image[top:bottom, left:right] = GREY
    return replace(scene, image=image)


def _crop_scene(scene: Scene, window: NDArray[np.float64]) -> Scene:
    """Return the part of a scene in a window (4,), rounded, with clipped boxes."""
    left, top, right, bottom = clip_boxes(np.round(window), *scene.size_wh).astype(int).tolist()
    moved = np.array([left, top], np.float32)
    boxes = clip_boxes(scene.boxes - np.tile(moved, 2), right - left, bottom - top)
    return Scene(scene.image[top:bottom, left:right], boxes, scene.landmarks - moved)
