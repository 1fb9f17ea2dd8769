from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from phiz.errors import VideoError
from phiz.video.source import open_source, to_image
from phiz.video.writer import VideoWriter

from .clips import make_clip, move, read_images, read_selfie, read_sound, read_times

FRAMES = 8
COLOUR_MARKS = ("color_primaries", "color_trc", "colorspace")


def copy(clip: Path, path: Path, limit: int = FRAMES) -> None:
    """Write a clip again, up to some of its frames."""
    with open_source(str(clip), with_sound=True) as source, VideoWriter(path, source) as writer:
        count = 0
        for item in source.read():
            if isinstance(item, av.VideoFrame):
                writer.add_frame(to_image(item), item)
                count += 1
                if count == limit:
                    return
            else:
                writer.add_sound(item)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_video_has_the_frames_times_and_sound_of_its_source(tmp_path: Path, suffix: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4", move(read_selfie(), FRAMES))
    path = tmp_path / f"copy{suffix}"
    copy(clip, path, limit=FRAMES + 1)
    # A container without negative times begins later, and so does its sound.
    start_s, old_start_s = (read_times(each)[0] for each in (path, clip))
    times_s = [time_s - start_s for time_s in read_times(path)]
    assert times_s == pytest.approx(read_times(clip), abs=0.002)
    for image, expected in zip(read_images(path), read_images(clip), strict=True):
        assert np.abs(image.astype(int) - expected).mean() < 3
    assert [content for _, content in read_sound(path)] == [
        content for _, content in read_sound(clip)
    ]
    assert [time_s - start_s for time_s, _ in read_sound(path)] == pytest.approx(
        [time_s - old_start_s for time_s, _ in read_sound(clip)], abs=0.002
    )


def test_file_is_valid_however_the_writing_ends(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", move(read_selfie(), FRAMES))
    path = tmp_path / "part.mp4"
    copy(clip, path, limit=3)
    assert len(read_images(path)) == 3


def test_file_that_is_there_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", move(read_selfie(), FRAMES))
    path, link = tmp_path / "copy.mp4", tmp_path / "link.mp4"
    path.write_bytes(b"mine")
    link.symlink_to(path)

    def fail_after_frame() -> None:
        with (
            open_source(str(clip), with_sound=False) as source,
            VideoWriter(path, source) as writer,
        ):
            frame = next(item for item in source.read() if isinstance(item, av.VideoFrame))
            writer.add_frame(to_image(frame), frame)
            assert path.read_bytes() == b"mine"
            raise KeyError

    with pytest.raises(KeyError):
        fail_after_frame()
    assert path.read_bytes() == b"mine"
    copy(clip, link, limit=3)
    assert len(read_images(path)) == 3
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clip.mp4", "copy.mp4", "link.mp4"]


def test_odd_size_loses_a_pixel(tmp_path: Path) -> None:
    clip = tmp_path / "odd.mkv"
    with av.open(str(clip), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 271, 479, "bgr0"
        frame = av.VideoFrame.from_ndarray(read_selfie((271, 479)), "rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    path = tmp_path / "copy.mp4"
    copy(clip, path)
    assert [image.shape for image in read_images(path)] == [(478, 270, 3)]


def make_marked_clip(path: Path, marks: dict[str, Any], rotation: int = 0) -> Path:
    """Write a clip whose stream has these marks, as attributes of its codec."""
    images = move(read_selfie(), FRAMES)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, _ = images[0].shape
        stream.pix_fmt = "yuv420p10le" if marks.get("color_trc") else "yuv420p"
        for name, value in marks.items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            file.mux(stream.encode(frame.reformat(dst_colorspace=marks.get("colorspace"))))
        file.mux(stream.encode(None))
    return path


def read_marks(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as file:
        (stream,) = file.streams.video
        return {
            "sample_aspect_ratio": stream.sample_aspect_ratio,
            **{name: getattr(stream.codec_context, name) for name in COLOUR_MARKS},
        }


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    ("primaries", "transfer", "matrix"),
    [
        pytest.param(9, 16, 9, id="hdr10"),  # BT.2020, PQ
        pytest.param(9, 18, 9, id="hlg"),
        pytest.param(1, 1, 1, id="bt709"),
        pytest.param(2, 2, 2, id="none"),
    ],
)
def test_shape_of_pixels_and_marks_of_colours_are_kept(
    tmp_path: Path, suffix: str, primaries: int, transfer: int, matrix: int
) -> None:
    colours = dict(zip(COLOUR_MARKS, (primaries, transfer, matrix), strict=True))
    marks = {**colours, "sample_aspect_ratio": Fraction(16, 11)}
    clip = make_marked_clip(tmp_path / "clip.mkv", marks)
    path = tmp_path / f"copy{suffix}"
    copy(clip, path, limit=FRAMES + 1)
    assert read_marks(clip) == marks
    assert read_marks(path) == marks
    for image, expected in zip(read_images(path), read_images(clip), strict=True):
        assert np.abs(image.astype(int) - expected).mean() < 3


def test_pixels_of_a_frame_that_is_turned_are_turned_too(tmp_path: Path) -> None:
    wide = {"sample_aspect_ratio": Fraction(16, 11)}
    clip = make_marked_clip(tmp_path / "clip.mp4", wide, rotation=90)
    path = tmp_path / "copy.mp4"
    copy(clip, path)
    assert read_images(path)[0].shape[:2] == (270, 480)
    assert read_marks(path)["sample_aspect_ratio"] == Fraction(11, 16)


def test_sound_that_the_container_does_not_take_is_an_error(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.avi", move(read_selfie(), 3), sound="adpcm_ms")
    with pytest.raises(VideoError, match=r"cannot hold the sound .*adpcm_ms; write an .mkv"):
        copy(clip, tmp_path / "copy.mp4")
    with pytest.raises(VideoError, match="convert it to AAC first"):
        copy(clip, tmp_path / "copy.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.avi"]
    (tmp_path / "copy.mp4").write_bytes(b"mine")
    with pytest.raises(VideoError, match=r"write an \.mkv"):
        copy(clip, tmp_path / "copy.mp4")
    assert (tmp_path / "copy.mp4").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.avi", "copy.mp4"]


def test_file_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", move(read_selfie(), 1), sound=None)
    with pytest.raises(VideoError, match="No such file"):
        copy(clip, tmp_path / "missing" / "copy.mp4")
