"""``phiz study``: what every way to run every network costs here, and which to choose."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from phiz.api.assembly import PAGE_FILE
from phiz.cli.files import check_writable, make_folder, write_file, write_json
from phiz.errors import OptionError, SettingError
from phiz.lab.commands.missing_models import report_missing
from phiz.lab.commands.study_run import plan_study, run_study

if TYPE_CHECKING:
    from phiz.lab.study.record import Study

DOCUMENT_FILE = "study.json"

_STUDY_EPILOG = """
\b
Examples:
  phiz study --quick
  phiz study --data DIR
  phiz study --compare old.json new.json --out both/
"""
_COMPARE_OPTIONS = frozenset({"compare", "studies", "out"})


@click.command(epilog=_STUDY_EPILOG)
@click.argument("studies", metavar="[STUDY...]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for study.json and study.html. Required with --emulated and --compare."
    "  [default: the profile's folder]",
)
@click.option(
    "--profile",
    envvar="PHIZ_PROFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the choice that the service follows. With --emulated, no profile is written"
    " without this option.  [default: profile.json beside the models]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of labelled photographs, with photos/ and wider/. Without it the study measures"
    " agreement with float32 instead of accuracy.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="One image on one thread and fewer runs; takes about three minutes.",
)
@click.option(
    "--only", multiple=True, metavar="MODEL", help="Measure only this model; may be repeated."
)
@click.option("--fresh", is_flag=True, help="Start over instead of resuming an interrupted study.")
@click.option("--device", metavar="NAME", help="Name of this machine in the report.")
@click.option(
    "--emulated",
    metavar="HOW",
    help="State in the report how this machine emulates a smaller device.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Compare STUDY files in one report, oldest device first. Nothing is measured.",
)
def study(  # noqa: PLR0913  one for each option
    *,
    studies: tuple[Path, ...],
    folder: Path | None,
    out: Path | None,
    profile: Path | None,
    data: Path | None,
    only: tuple[str, ...],
    device: str | None,
    emulated: str | None,
    quick: bool,
    fresh: bool,
    compare: bool,
) -> None:
    """Measure models in every precision, runtime, thread count and batch size, and recommend.

    Measurements are interleaved over several rounds. Run the same command again to resume an
    interrupted study. Figures go to study.json, the report to study.html, and the choice to the
    profile that PHIZ_RUNTIME=auto and the classifiers follow.
    """
    # Not at the top: they take a while to import, and --help should not wait for them.
    from phiz.lab.study.checkpoint import Checkpoint  # noqa: PLC0415
    from phiz.lab.study.machine import describe_machine  # noqa: PLC0415
    from phiz.lab.study.record import to_document  # noqa: PLC0415
    from phiz.lab.study.selection import select_variants  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415
    from phiz.runtime.profile import update_profile  # noqa: PLC0415

    if compare:
        _compare_studies(studies, out)
        return
    if studies:
        raise OptionError("STUDY files need --compare; without it, leave them out")
    place = folder or catalog.get_default_folder()
    target, named = _choose_targets(place, out, profile, emulated)
    study_run = plan_study(folder, data, only, emulated, quick=quick)
    make_folder(target)
    check_writable(target / DOCUMENT_FILE, target, "--out")
    if named:
        check_writable(named, named.absolute().parent, "--profile")
    report_missing(catalog.load_catalog(), folder, only)
    machine = describe_machine()
    checkpoint = Checkpoint(target, study_run.build_fingerprint(machine), fresh=fresh)
    measured = run_study(study_run, checkpoint, machine, device)
    write_json(target / DOCUMENT_FILE, to_document(measured))
    _write_page(target / PAGE_FILE, [measured])
    if named:
        chosen = select_variants(study_run.networks, measured.figures, measured.qualities)
        update_profile(measured.machine.processor, chosen, named)
    checkpoint.remove()  # the last: until here the same command has it all again at once
    _print_recommendations(measured, target, named)
    if named and _can_follow(named):
        click.echo(f"to use the profile for faces: {_format_serve_command(folder, profile)}")


def _choose_targets(
    place: Path, out: Path | None, profile: Path | None, emulated: str | None
) -> tuple[Path, Path | None]:
    """Return the folder for the figures, and the file for the choices, if they are for any.

    Raises:
        OptionError: Figures of an emulated device would replace the machine's own.
        SettingError: OpenVINO is limited, and nobody said that a device is emulated.
    """
    from phiz.runtime.isa import ISA_VARIABLES, get_isa_limit  # noqa: PLC0415  see study
    from phiz.runtime.profile import PROFILE_FILE  # noqa: PLC0415

    if emulated is None:
        if limit := get_isa_limit(os.environ):
            raise SettingError(
                f"{' or '.join(ISA_VARIABLES)} limits OpenVINO to {limit}, so the figures would not"
                " be those of this machine; unset it, or describe the emulated device with"
                " --emulated HOW"
            )
        named = profile or place / PROFILE_FILE
        return out or named.parent, named
    if out is None:
        raise OptionError(
            "--emulated needs --out DIR, so that its figures do not replace those of this machine"
        )
    # Not by PHIZ_PROFILE: that is what the service follows.
    return out, profile if _is_given("profile") else None


def _compare_studies(paths: Sequence[Path], target: Path | None) -> None:
    from phiz.lab.study.record import read_study  # noqa: PLC0415  see study

    others = [each for each in study.params if each.name not in _COMPARE_OPTIONS]
    if idle := [each.opts[0] for each in others if _is_given(each.name or "")]:
        names = ", ".join(idle)
        raise OptionError(
            f"--compare measures nothing, so {names} would have no effect; leave it out"
        )
    if not paths:
        raise OptionError("--compare needs STUDY files, such as: phiz study --compare A B")
    if target is None:
        raise OptionError(f"--compare needs --out DIR, the folder for {PAGE_FILE}")
    studies = [read_study(path) for path in paths]
    make_folder(target)
    check_writable(target / PAGE_FILE, target, "--out")
    _write_page(target / PAGE_FILE, studies)
    click.echo(f"wrote {target / PAGE_FILE}")


def _is_given(name: str) -> bool:
    """Return whether an option was given to the command, and not by a variable."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _write_page(path: Path, studies: "Sequence[Study]") -> None:
    """Write the report.

    Raises:
        ClickException: The file cannot be written.
    """
    from phiz.lab.report.page import render_page  # noqa: PLC0415  see study

    page = render_page(studies).encode()
    try:
        write_file(path, page)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def _print_recommendations(measured: "Study", target: Path, profile: Path | None) -> None:
    from phiz.lab.report.recommendations import describe_noise, recommend_variants  # noqa: PLC0415  see study

    for advice in recommend_variants(measured):
        click.echo(advice)
    click.echo(describe_noise(measured))
    figures = f"{target / DOCUMENT_FILE}, {target / PAGE_FILE}"
    click.echo(f"wrote {figures} and {profile}" if profile else f"wrote {figures}; no profile")


def _can_follow(profile: Path) -> bool:
    """Return whether a profile holds here, for all networks of the face models."""
    from phiz.models import catalog  # noqa: PLC0415  see study
    from phiz.runtime.profile import find_mismatches, read_profile  # noqa: PLC0415

    networks = [
        spec for model in catalog.load_catalog().get_models("face") for spec in model.networks
    ]
    return not list(find_mismatches(read_profile(profile), networks))


def _format_serve_command(folder: Path | None, profile: Path | None) -> str:
    """Return the command of a service that follows what was chosen."""
    words = ["PHIZ_RUNTIME=auto"]
    if _is_given("folder"):
        words.append(f"PHIZ_MODELS={shlex.quote(str(folder))}")
    if _is_given("profile"):
        words.append(f"PHIZ_PROFILE={shlex.quote(str(profile))}")
    return " ".join([*words, "phiz serve"])
