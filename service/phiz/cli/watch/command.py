"""``phiz watch``: find and follow the faces of a camera or a video."""

from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from phiz.cli.options import add_options
from phiz.editing.options import BlurOptions
from phiz.errors import SettingError
from phiz.options import BLUR_OPTIONS, DETECT_OPTIONS

_WATCH_EPILOG = """
\b
Examples:
  phiz watch /dev/video0 --model front
  phiz watch clip.mp4 --smooth -o faces.jsonl
  phiz watch clip.mp4 --model yunet --smooth -o annotated.mp4
  phiz watch clip.mp4 --blur -o blurred.mp4
  phiz watch rtsp://camera.example.org/live --model yunet | jq .faces

\b
Exit status: 0 at the end of the source, or after Ctrl+C; 1 if the source cannot be opened or read
any further, or the output cannot be written. Needs: pip install 'phiz[video]'
"""
# Options of a detection that have other defaults for faces that are covered.
_COVERING_NAMES: Final = ("model", "min_score", "rotate", "max_faces")
_COVERING_DEFAULTS: Final = ", ".join(
    f"--{name.replace('_', '-')} {BLUR_OPTIONS[name].default}" for name in _COVERING_NAMES
)


@click.command(epilog=_WATCH_EPILOG)
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .jsonl for a line per frame, or .mp4, .mov or .mkv for a video with the"
    " faces drawn in and its sound.  [default: lines on standard output]",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option(
    "--blur",
    is_flag=True,
    help="Cover the faces of the video instead of drawing. More of them are found, because options"
    f" have the defaults of phiz blur: {_COVERING_DEFAULTS}.",
)
@add_options((name, BLUR_OPTIONS[name]) for name in ("kind", "grow"))
@click.option(
    "--smooth",
    is_flag=True,
    help="Average boxes and landmarks over time, the less the faster a face moves.",
)
@add_options(DETECT_OPTIONS.items())
def watch(**arguments: Any) -> None:  # noqa: ANN401  what the options say
    """Find the faces of a camera or a video, and follow them.

    SOURCE is a video file, an address such as rtsp://…, a camera such as /dev/video0, or its
    number. Each face keeps its id from frame to frame. All frames of a file are processed. A camera
    does not wait, so frames that come too soon are dropped. Ctrl+C ends it, and leaves a valid
    file.
    """
    try:
        from phiz.cli.watch.run import watch_source  # noqa: PLC0415  numpy and FFmpeg load slowly
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise SettingError(
            "PyAV is not installed; install it with: pip install 'phiz[video]'"
        ) from error
    cover = BlurOptions(arguments.pop("kind"), arguments.pop("grow"))
    if not arguments.pop("blur"):
        watch_source(cover=None, **arguments)
        return
    get_source = click.get_current_context().get_parameter_source
    for name in _COVERING_NAMES:
        if get_source(name) is ParameterSource.DEFAULT:
            arguments[name] = BLUR_OPTIONS[name].default
    watch_source(cover=cover, **arguments)
