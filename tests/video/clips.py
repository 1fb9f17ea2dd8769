"""Clips that the tests encode themselves: a picture that moves to the right, and a tone."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image as Pillow

from phiz.faces import RgbImage
from tests.conftest import PICTURES

FPS = 25
RATE_HZ = 44_100
SAMPLES = RATE_HZ // FPS  # of a frame
STEP_PX = 3


def read_selfie(size_wh: tuple[int, int] = (270, 480)) -> RgbImage:
    with Pillow.open(PICTURES / "selfie_360x640.png") as opened:
        return np.asarray(opened.convert("RGB").resize(size_wh))


def move(image: RgbImage, frames: int) -> list[RgbImage]:
    return [np.roll(image, STEP_PX * number, axis=1) for number in range(frames)]


def make_clip(path: Path, images: Sequence[RgbImage], sound: str | None = "aac") -> Path:
    """Write images as a video, with a tone of 440 Hz in a codec."""
    with av.open(str(path), "w") as file:
        video: Any = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio: Any = None if sound is None else file.add_stream(sound, rate=RATE_HZ)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            file.mux(video.encode(frame))
            if audio is not None:
                file.mux(audio.encode(make_tone(number)))
        for stream in filter(None, (video, audio)):
            file.mux(stream.encode(None))
    return path


def make_tone(number: int) -> av.AudioFrame:
    """The sound of one frame."""
    times_s = (np.arange(SAMPLES) + number * SAMPLES) / RATE_HZ
    wave = (8000 * np.sin(2 * np.pi * 440 * times_s)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], "s16", "mono")
    frame.sample_rate, frame.pts = RATE_HZ, number * SAMPLES
    return frame


def read_images(path: Path) -> list[RgbImage]:
    with av.open(str(path)) as file:
        return [np.asarray(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def read_sound(path: Path) -> list[tuple[float, bytes]]:
    """The time and the bytes of each packet of the sound."""
    with av.open(str(path)) as file:
        (stream,) = file.streams.audio
        assert stream.time_base is not None
        return [
            (round(float(packet.pts * stream.time_base), 3), bytes(packet))
            for packet in file.demux(stream)
            if packet.pts is not None and packet.size
        ]


def read_times(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [round(float(frame.time or 0), 3) for frame in file.decode(video=0)]
