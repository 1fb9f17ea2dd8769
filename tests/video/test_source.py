import sys
from pathlib import Path

import av
import numpy as np
import pytest

from phiz.errors import VideoError
from phiz.video.source import open_source, to_image

from .clips import RATE_HZ, make_clip, make_tone, move, read_selfie


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    return make_clip(path, move(read_selfie(), 6))


def test_frames_of_a_file_are_read_in_order(clip: Path) -> None:
    with open_source(str(clip)) as source:
        frames = [item for item in source.read() if isinstance(item, av.VideoFrame)]
        assert (source.is_live, source.sound, float(source.frame_rate)) == (False, None, 25.0)
    assert [round(frame.time or 0, 2) for frame in frames] == [0, 0.04, 0.08, 0.12, 0.16, 0.2]
    images = [to_image(frame) for frame in frames]
    for image, expected in zip(images, move(read_selfie(), 6), strict=True):
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected).mean() < 5


def test_packets_of_the_sound_are_read_on_request(clip: Path) -> None:
    with open_source(str(clip), with_sound=True) as source:
        items = list(source.read())
        assert source.sound is not None
        assert sum(isinstance(item, av.VideoFrame) for item in items) == 6
        assert sum(isinstance(item, av.Packet) for item in items) > 3


def test_frame_of_a_phone_is_turned_upright(clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    with av.open(str(clip)) as old, av.open(str(turned), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.set_display_rotation(90)  # counterclockwise, in degrees
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    with open_source(str(turned)) as source:
        image = next(to_image(item) for item in source.read() if isinstance(item, av.VideoFrame))
    expected = np.rot90(read_selfie())
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 5


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.mp4", "cannot open .*missing.mp4: No such file"),
        ("text.mp4", "cannot open .*text.mp4: Invalid data"),
        ("sound.mp4", "sound.mp4 has no video"),
    ],
)
def test_source_that_is_no_video_is_an_error(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=RATE_HZ)
        for frame in (make_tone(0), make_tone(1), None):
            file.mux(stream.encode(frame))
    with pytest.raises(VideoError, match=problem), open_source(str(tmp_path / name)):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="other systems number cameras otherwise")
def test_password_of_a_camera_is_in_no_message() -> None:
    with (
        pytest.raises(VideoError, match=r"^cannot open rtsp://127\.0\.0\.1:1/x: ") as caught,
        open_source("rtsp://user:secret@127.0.0.1:1/x"),
    ):
        pass
    assert "secret" not in str(caught.value)


def test_camera_that_is_missing_is_an_error() -> None:
    with pytest.raises(VideoError, match="cannot open 99"), open_source("99"):
        pass


def test_damaged_file_ends_with_the_frames_before_the_damage(tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    make_clip(cut, move(read_selfie(), 10), sound=None)
    content = cut.read_bytes()
    cut.write_bytes(content[: 4 * len(content) // 5])
    with open_source(str(cut)) as source:
        frames = [item for item in source.read() if isinstance(item, av.VideoFrame)]
    assert 0 < len(frames) < 10
