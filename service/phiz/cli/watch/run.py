"""The run of ``phiz watch``: read, detect, follow, write."""

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import av
import click

from phiz.cli.watch.lines import LINE_SUFFIXES, open_lines, write_line
from phiz.cli.watch.watcher import Watcher
from phiz.editing.options import BlurOptions
from phiz.errors import OptionError, VideoError
from phiz.faces import DetectOptions
from phiz.loading import load_engine
from phiz.settings import load_settings
from phiz.video.newest import NewestItems
from phiz.video.source import SoundPacket, VideoSource, open_source
from phiz.video.writer import VIDEO_SUFFIXES, VideoWriter


def watch_source(  # noqa: PLR0913  the options of the command
    *,
    source: str,
    output: Path | None,
    force: bool,
    cover: BlurOptions | None,
    smooth: bool,
    model: str,
    **options: Any,  # noqa: ANN401  DetectOptions checks them
) -> None:
    """Find and follow the faces of a source, as the options of ``phiz watch`` say.

    Raises:
        PhizError: An option or a setting is wrong, a model is missing, or the source or the output
            fails.
    """
    is_video = output is not None and output.suffix.lower() in VIDEO_SUFFIXES
    _check_output(source, output, is_video=is_video, blur=cover is not None)
    _check_replaced(output, force=force)
    engine, _ = load_engine(load_settings(), {model})
    detect_options = DetectOptions(**options)
    if detect_options.budget_ms is not None:
        engine.measure_step_costs()
    watcher = Watcher(engine, model, detect_options, smooth=smooth)
    start_s = time.monotonic()
    with _capture_stop() as is_stopped, ExitStack() as opened:
        video = opened.enter_context(open_source(source, with_sound=is_video))
        if is_video and output is not None:
            writer = opened.enter_context(VideoWriter(output, video))
            draw = partial(watcher.cover, options=cover) if cover else watcher.draw
            add_sound: Callable[[SoundPacket], None] | None = writer.add_sound
        else:
            file = opened.enter_context(open_lines(output))
            writer, add_sound = None, None
        # Closed first: a thread may read the source.
        frames = opened.enter_context(closing(_read_frames(video, is_stopped, add_sound, watcher)))
        for frame in frames:
            watched = watcher.process(frame)
            if writer is not None:
                writer.add_frame(draw(watched), frame)
            else:
                write_line(file, watched)
    if not watcher.count and not is_stopped():
        raise VideoError(f"{source} has no frame that can be decoded")
    _report_end(watcher, time.monotonic() - start_s)


def _check_output(source: str, output: Path | None, *, is_video: bool, blur: bool) -> None:
    """Check the options of the output before anything is loaded.

    Raises:
        OptionError: They contradict each other, or the file cannot be one.
    """
    if blur and not is_video:
        raise OptionError("--blur writes a video; name it, as in -o blurred.mp4")
    if output is None:
        return
    if not is_video and output.suffix.lower() not in LINE_SUFFIXES:
        raise OptionError(
            f"-o is {output}; it must end with {', '.join((*LINE_SUFFIXES, *VIDEO_SUFFIXES))}"
        )
    if not output.absolute().parent.is_dir():
        raise OptionError(
            f"cannot write {output}: {output.parent} does not exist; create it or change -o"
        )
    path = Path(source.removeprefix("file:").removeprefix("//"))  # FFmpeg takes both
    if output.exists() and path.exists() and output.samefile(path):
        raise OptionError(f"-o is {output}, which is SOURCE; name another file")


def _check_replaced(output: Path | None, *, force: bool) -> None:
    """Refuse to replace a file unasked. A pipe or a device is none.

    Raises:
        OptionError: It would be replaced.
    """
    if output is not None and output.is_file() and not force:
        raise OptionError(f"-o is {output}, which exists; --force replaces it, or name another")


def _read_frames(
    video: VideoSource,
    is_stopped: Callable[[], bool],
    add_sound: Callable[[SoundPacket], None] | None,
    watcher: Watcher,
) -> Generator[av.VideoFrame]:
    """Yield the frames of a source until it ends or the command is stopped."""
    if not video.is_live:
        for item in video.read():
            if isinstance(item, av.VideoFrame):
                yield item
            elif add_sound is not None:
                add_sound(item)
            if is_stopped():
                return
        return
    newest = NewestItems(item for item in video.read() if isinstance(item, av.VideoFrame))
    try:
        for frame in newest:
            watcher.dropped = newest.dropped
            yield frame
            if is_stopped():
                break
    finally:
        newest.close()


@contextmanager
def _capture_stop() -> Iterator[Callable[[], bool]]:
    """Give whether Ctrl+C or SIGTERM has come. A second one ends the command at once."""
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield lambda: stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report_end(watcher: Watcher, elapsed_s: float) -> None:
    """Say on standard error how many frames there were, and how fast."""
    dropped = f", {watcher.dropped} dropped" if watcher.dropped else ""
    click.echo(
        f"{watcher.count} frames{dropped}, {watcher.count / max(elapsed_s, 1e-3):.1f} per second",
        err=True,
    )
