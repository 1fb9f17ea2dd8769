from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from phiz.cli.classify import classify
from phiz.cli.detect import detect
from phiz.cli.edits.blur import blur
from phiz.cli.edits.crops import crops
from phiz.cli.options import add_options, build_option
from phiz.options import BLUR_OPTIONS, CLASSIFY_OPTIONS, CROP_OPTIONS, DETECT_OPTIONS, Option

COUNT = Option(3, "Number of `turns`.", minimum=2, maximum=4, is_whole=True)
SHARE = Option(None, "Share of it.", minimum=0, default_help="all that `front` has")
FORM = Option("round", "Its form.", choices=("round", "square"))


@click.command()
@add_options({"turn_count": COUNT, "share": SHARE, "form": FORM}.items())
@build_option("colour", FORM, "colours", multiple=True, default=("round",), help="Its `own`.")
def show(**_: object) -> None:
    """Show it."""


def test_options_have_their_order_defaults_and_values() -> None:
    text = CliRunner().invoke(show, ["--help"], terminal_width=100).output
    places = [text.index(name) for name in ("--turn-count", "--share", "--form")]
    assert places == sorted(places)
    assert "Number of turns.  [default: 3; 2<=x<=4]" in text
    assert "Share of it.  [default: all that front has]  [0<=x<=1]" in text
    assert "[round|square]" in text


def test_argument_of_an_option_may_have_another_name() -> None:
    values = show.make_context("show", ["--turn-count", "4", "--colour", "square"]).params
    assert values == {"turn_count": 4, "share": None, "form": "round", "colours": ("square",)}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        pytest.param(detect, DETECT_OPTIONS, id="detect"),
        pytest.param(
            blur,
            {
                name: option
                for name, option in {**DETECT_OPTIONS, **BLUR_OPTIONS}.items()
                if name not in {"format", "details"}
            },
            id="blur",
        ),
        pytest.param(
            crops,
            {
                name: option
                for name, option in {**DETECT_OPTIONS, **CROP_OPTIONS}.items()
                if name != "format"
            },
            id="crops",
        ),
        pytest.param(classify, CLASSIFY_OPTIONS, id="classify"),
    ],
)
def test_command_has_the_options_of_a_request(
    command: click.Command, options: dict[str, Option], tmp_path: Path
) -> None:
    params = command.make_context("x", [str(tmp_path)]).params
    assert {name: params[name] for name in options} == {
        name: option.default for name, option in options.items()
    }
