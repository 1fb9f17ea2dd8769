"""The watcher: finds the faces of each frame, and follows them."""

from dataclasses import dataclass

import av
import numpy as np
from PIL import Image as Pillow

from phiz.editing.annotate import annotate_image
from phiz.editing.options import BlurOptions
from phiz.editing.redact import cover_boxes
from phiz.engine import Engine
from phiz.errors import VideoError
from phiz.faces import DetectionResult, DetectOptions, RgbImage
from phiz.image.lazy import LazyImage
from phiz.timings import Stopwatch
from phiz.tracking.tracker import TrackedFace, Tracks, get_missed_boxes, update_tracks
from phiz.video.source import to_image


@dataclass(frozen=True, slots=True)
class WatchedFrame:
    """A frame with its faces.

    Attributes:
        number: Its number, from 1.
        time_s: Its time in the source.
        image: Its pixels, (H, W, 3).
        result: The faces that were found.
        faces: The faces with their ids.
        timing_ms: The time of each stage.
    """

    number: int
    time_s: float
    image: RgbImage
    result: DetectionResult
    faces: tuple[TrackedFace, ...]
    timing_ms: dict[str, float]


class Watcher:
    """Finds and follows the faces of one source.

    Attributes:
        count: Number of processed frames.
        dropped: Number of frames that were dropped.
    """

    def __init__(self, engine: Engine, model: str, options: DetectOptions, *, smooth: bool) -> None:
        """Return a watcher that has seen nothing."""
        self.count = 0
        self.dropped = 0
        self._engine = engine
        self._model = model
        self._options = options
        self._smooth = smooth
        self._tracks = Tracks()

    def process(self, frame: av.VideoFrame) -> WatchedFrame:
        """Return a frame with its faces.

        Raises:
            VideoError: It has too many pixels.
        """
        self.count += 1
        limit = self._engine.limits.max_pixels
        if frame.width * frame.height > limit:
            raise VideoError(
                f"a frame has {frame.width} × {frame.height} pixels; the limit is {limit}; raise"
                " PHIZ_MAX_PIXELS"
            )
        stopwatch = Stopwatch()
        image = to_image(frame)
        stopwatch.lap("decode")
        lazy = LazyImage.from_array(image)
        result = self._engine.detect(lazy, self._model, self._options, stopwatch)
        stopwatch.lap("postprocess")
        time_s = frame.time if frame.time is not None else float(self.count)
        self._tracks, faces = update_tracks(self._tracks, result.faces, time_s, smooth=self._smooth)
        timing_ms = stopwatch.to_timings().to_milliseconds()
        return WatchedFrame(self.count + self.dropped, time_s, image, result, faces, timing_ms)

    @staticmethod
    def draw(watched: WatchedFrame) -> RgbImage:
        """Return a frame with its faces drawn in."""
        picture = Pillow.fromarray(watched.image)
        annotate_image(picture, [tracked.face for tracked in watched.faces])
        return np.asarray(picture)  # (H, W, 3)

    def cover(self, watched: WatchedFrame, options: BlurOptions) -> RgbImage:
        """Return a frame with its faces covered.

        A face that was found a moment ago is covered where it was, because it is probably there.

        Args:
            watched: The frame that was processed last.
            options: How they are covered.
        """
        found = np.array([tracked.face.box for tracked in watched.faces], np.float32)
        boxes = np.concatenate([found.reshape(-1, 4), get_missed_boxes(self._tracks)])
        return cover_boxes(watched.image, boxes, options)
