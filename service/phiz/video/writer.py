"""A video file with the sound of another, copied as it is."""

import secrets
import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
from av.stream import Stream
from av.video.stream import VideoStream

from phiz.errors import VideoError
from phiz.faces import RgbImage
from phiz.video.source import SoundPacket, VideoSource, count_quarter_turns

VIDEO_SUFFIXES: Final = (".mkv", ".mov", ".mp4")
_CODECS: Final = ("libx264", "mpeg4")  # FFmpeg may be built without the first
_OPTIONS: Final = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}


class VideoWriter:
    """Writes frames with the times of their source.

    A file that is there stays until the new one is complete.
    """

    def __init__(self, path: Path, source: VideoSource) -> None:
        """Create nothing yet. The first frame has the size.

        Args:
            path: The file; its suffix says which container it is.
            source: The source of the frames.
        """
        self._path = path
        # Only a regular file is replaced; a pipe is written to. The suffix names the container.
        part = f".phiz-{secrets.token_hex(8)}{path.suffix}"
        self._target = path.resolve()
        self._part = self._target.with_name(part) if path.is_file() else None
        self._source = source
        self._container: av.container.OutputContainer | None = None
        self._sound: Stream | None = None
        self._waiting: list[SoundPacket] = []
        self._first_pts = 0
        self._last_pts = -1

    def __enter__(self) -> Self:
        """Return this writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, so that it is valid whatever has happened.

        Raises:
            VideoError: The file cannot be written.
        """
        try:
            if self._container is not None:
                self._mux(self._video.encode(None))
                self._container.close()
                if self._part is not None and kind is None:
                    self._replace_target(self._part)
        finally:
            self._remove_part()

    def _replace_target(self, part: Path) -> None:
        try:
            shutil.copymode(self._target, part)
            part.replace(self._target)
        except OSError as error:
            raise VideoError(f"cannot write {self._path}: {error.strerror}") from error

    def _remove_part(self) -> None:
        if self._part is not None:
            with suppress(OSError):  # it has replaced the file, or was never there
                self._part.unlink()

    def add_frame(self, image: RgbImage, frame: av.VideoFrame) -> None:
        """Write an image (H, W, 3) at the time of a frame.

        Raises:
            VideoError: The file cannot be written.
        """
        # The codecs halve the resolution of colours.
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        if self._container is None:
            self._open(image, frame)
        pts = self._last_pts + 1 if frame.pts is None else frame.pts - self._first_pts
        if pts <= self._last_pts and self._last_pts >= 0:
            return  # two frames of one moment, as broken files have them
        self._last_pts = pts
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24").reformat(
            format="yuv420p",
            dst_colorspace=frame.colorspace or None,
            dst_color_range=frame.color_range or None,
        )
        picture.pts, picture.time_base = pts, self._time_base
        self._mux(self._video.encode(picture))

    def add_sound(self, packet: SoundPacket) -> None:
        """Copy a packet of the sound."""
        if self._container is None:
            self._waiting.append(packet)
        elif self._sound is not None:
            packet.stream = self._sound
            self._mux([packet])

    def _open(self, image: RgbImage, frame: av.VideoFrame) -> None:
        """Create the file with its streams.

        Raises:
            VideoError: It cannot be created, or its container does not take the sound.
        """
        source = self._source
        self._time_base = frame.time_base or 1 / Fraction(source.frame_rate)
        if source.is_live:  # its clock began when the camera was switched on
            self._first_pts = frame.pts or 0
        try:
            self._container = av.open(str(self._part or self._path), "w")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"cannot write {self._path}: {getattr(error, 'strerror', None) or error}"
            ) from error
        codec = next(name for name in _CODECS if name in av.codecs_available)
        video = self._container.add_stream(
            codec, rate=source.frame_rate, options=dict(_OPTIONS[codec])
        )
        assert isinstance(video, av.VideoStream), "the codec is one of videos"
        height, width, _ = image.shape
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = self._time_base
        _copy_marks(source.stream, frame, video)
        self._video = video
        if source.sound is not None:
            self._add_sound_stream(source.sound)
        for packet in self._waiting:
            self.add_sound(packet)
        self._waiting.clear()

    def _add_sound_stream(self, sound: Stream) -> None:
        assert self._container is not None, "the file is open"
        codec = sound.codec_context.name
        try:
            self._sound = self._container.add_stream_from_template(sound)
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            self._container.close()
            self._container = None
            if self._part is None:
                self._path.unlink(missing_ok=True)
            remedy = "convert it to AAC first" if self._path.suffix == ".mkv" else "write an .mkv"
            raise VideoError(
                f"{self._path.suffix} cannot hold the sound of {self._source.name}, which is"
                f" {codec}; {remedy}"
            ) from error

    def _mux(self, packets: "list[av.Packet[Any]]") -> None:
        assert self._container is not None, "the file is open"
        try:
            self._container.mux(packets)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"cannot write {self._path}: {error.strerror or error}") from error


def _copy_marks(source: VideoStream, frame: av.VideoFrame, video: VideoStream) -> None:
    """Mark a video with the shape of the pixels and the meaning of the colours of its source.

    Args:
        source: The source, of which the decoder has read the marks.
        frame: Its first frame.
        video: The new video, before its first frame.
    """
    old, new = source.codec_context, video.codec_context
    if shape := source.sample_aspect_ratio:
        new.sample_aspect_ratio = 1 / shape if count_quarter_turns(frame) % 2 else shape
    new.colorspace, new.color_range = frame.colorspace, frame.color_range
    new.color_primaries, new.color_trc = old.color_primaries, old.color_trc
