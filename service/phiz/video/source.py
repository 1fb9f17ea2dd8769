"""Where frames come from: a camera, a file, or an address."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from phiz.errors import VideoError
from phiz.faces import RgbImage

SoundPacket: TypeAlias = "av.Packet[Stream]"
"""A packet of the sound, encoded."""

LIVE_SCHEMES: Final = frozenset({"rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "udp"})
OPEN_TIMEOUT_S: Final = 10.0
STALL_TIMEOUT_S: Final = 10.0  # between two packets
DEFAULT_FPS: Final = 25
_SCHEME_PATTERN: Final = re.compile(r"([a-z]+)://")
_CAMERA_PATTERN: Final = re.compile(r"/dev/video\d+|\d+")
_CAMERA_FORMATS: Final = {"linux": "v4l2", "darwin": "avfoundation"}
_QUARTER: Final = 90  # degrees
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/]*@")


@dataclass(frozen=True, slots=True)
class VideoSource:
    """An open source.

    Attributes:
        name: As the caller has it, without the name and password of an address.
        container: Its container.
        stream: Its video.
        sound: Its sound, or None.
        is_live: Whether it does not wait for its reader.
    """

    name: str
    container: InputContainer
    stream: VideoStream
    sound: Stream | None
    is_live: bool

    @property
    def frame_rate(self) -> Fraction:
        """The frames of a second, or 25 if nobody knows."""
        return self.stream.average_rate or Fraction(DEFAULT_FPS)

    def read(self) -> "Iterator[av.VideoFrame | SoundPacket]":
        """Yield the frames, and between them the packets of the sound. Broken frames are left out.

        Raises:
            VideoError: The source can no longer be read.
        """
        streams = [self.stream] if self.sound is None else [self.stream, self.sound]
        try:
            for packet in self.container.demux(streams):
                if packet.stream is self.stream:
                    yield from _decode(packet)
                elif packet.dts is not None:  # the last one has nothing
                    yield packet
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"cannot read {self.name} any further: {_explain(error)}") from error


@contextmanager
def open_source(name: str, *, with_sound: bool = False) -> Iterator[VideoSource]:
    """Open a source, and close it afterwards.

    Args:
        name: A file, an address such as ``rtsp://…``, a device, or the number of a camera.
        with_sound: Whether the packets of its sound are read too.

    Raises:
        VideoError: It cannot be opened, or has no video.
    """
    location, format_name, options = _find_location(name)
    name = _CREDENTIALS.sub("", name)  # of a camera, which no message should have
    try:
        container = av.open(
            location,
            format=format_name,
            options=options,
            timeout=(OPEN_TIMEOUT_S, STALL_TIMEOUT_S),
        )
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"cannot open {name}: {_explain(error)}; SOURCE is a video file, an address such as"
            " rtsp://…, or a camera such as /dev/video0"
        ) from error
    with container:
        # A picture of a song's cover is no video.
        videos = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not videos:
            raise VideoError(f"{name} has no video; it may be a sound or a picture")
        stream = videos[0]
        stream.thread_type = "AUTO"
        is_live = format_name is not None or _get_scheme(name) in LIVE_SCHEMES
        sounds = container.streams.audio if with_sound and not is_live else ()
        yield VideoSource(name, container, stream, next(iter(sounds), None), is_live)


def to_image(frame: av.VideoFrame) -> RgbImage:
    """Return the pixels of a frame, upright, (H, W, 3)."""
    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    quarters = count_quarter_turns(frame)
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def count_quarter_turns(frame: av.VideoFrame) -> int:
    """Return how often a frame is turned by 90° counterclockwise to be upright, 0 to 3."""
    return round(frame.rotation / _QUARTER) % 4


def _find_location(name: str) -> tuple[str, str | None, dict[str, str]]:
    """Return what FFmpeg opens, its format if it is a camera, and options."""
    if _get_scheme(name) in {"rtsp", "rtsps"}:
        return name, None, {"rtsp_transport": "tcp"}  # frames over UDP arrive with holes
    if not _CAMERA_PATTERN.fullmatch(name):
        return name, None, {}
    camera_format = _CAMERA_FORMATS.get(sys.platform)
    if name.isdigit() and camera_format == "v4l2":
        name = f"/dev/video{name}"
    return name, camera_format, {}


def _get_scheme(name: str) -> str:
    found = _SCHEME_PATTERN.match(name)
    return found[1] if found else ""


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _decode(packet: "av.Packet[Stream]") -> list[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.error.InvalidDataError:
        return []


def _explain(error: OSError | av.error.FFmpegError) -> str:
    return error.strerror or str(error)
