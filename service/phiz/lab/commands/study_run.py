"""The body of ``phiz study``, and the run of measurements that ``phiz bench`` shares."""

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import click
from click.core import ParameterSource

from phiz.api.assembly import PAGE_FILE
from phiz.cli.files import check_writable, make_folder, write_file, write_json
from phiz.errors import OptionError, SettingError, WorkerDiedError
from phiz.lab.commands.missing_models import report_missing, require_built
from phiz.lab.commands.progress import show_progress
from phiz.lab.report.page import render_page
from phiz.lab.report.recommendations import describe_noise, recommend_variants
from phiz.lab.study import plan
from phiz.lab.study.checkpoint import Checkpoint
from phiz.lab.study.machine import describe_machine
from phiz.lab.study.networks import find_networks, list_complete_models
from phiz.lab.study.photographs import check_study_data
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement, Study, read_study, to_document
from phiz.lab.study.run import StudyRun, collect_results, describe_networks, run_tasks
from phiz.lab.study.selection import select_variants
from phiz.models import catalog
from phiz.models.specs import Catalog, ModelGroup, ModelSpec
from phiz.runtime.isa import ISA_VARIABLES, get_isa_limit
from phiz.runtime.profile import PROFILE_FILE, find_mismatches, read_profile, update_profile

DOCUMENT_FILE = "study.json"
_COMPARE_OPTIONS = frozenset({"compare", "studies", "out"})

Results: TypeAlias = tuple[tuple[Measurement, ...], tuple[VariantQuality, ...]]


def run_study(  # noqa: PLR0913  one for each option
    *,
    studies: Sequence[Path],
    folder: Path | None,
    out: Path | None,
    profile: Path | None,
    data: Path | None,
    only: Sequence[str],
    group: ModelGroup | None,
    device: str | None,
    emulated: str | None,
    quick: bool,
    fresh: bool,
    compare: bool,
) -> None:
    """Measure, write and recommend, or compare studies; the arguments are the options."""
    if compare:
        _compare_studies(studies, out)
        return
    if studies:
        raise OptionError("STUDY files need --compare; without it, leave them out")
    place = folder or catalog.get_default_folder()
    target, named = _choose_targets(place, out, profile, emulated)
    models = _select_models(group, only)
    require_built(models, folder, each=bool(only))
    networks = find_networks(models, place)
    if data:
        check_study_data(data, list_complete_models(networks))
    make_folder(target)
    check_writable(target / DOCUMENT_FILE, target, "--out")
    if named:
        check_writable(named, named.absolute().parent, "--profile")
    report_missing(models, folder)
    run = StudyRun(networks, data, plan.QUICK if quick else plan.FULL, emulated)
    machine = describe_machine()
    checkpoint = Checkpoint(target, run.build_fingerprint(machine), fresh=fresh)
    figures, qualities = _measure_or_resume(run, checkpoint)
    measured = Study(
        device=device or machine.processor,
        emulated=emulated,
        begun=checkpoint.begun,
        machine=machine,
        networks=describe_networks(networks),
        figures=figures,
        qualities=qualities,
        has_photographs=data is not None,
        stolen=None if checkpoint.stolen is None else round(checkpoint.stolen, 4),
    )
    write_json(target / DOCUMENT_FILE, to_document(measured))
    _write_page(target / PAGE_FILE, [measured])
    if named:
        update_profile(machine.processor, select_variants(networks, figures, qualities), named)
    checkpoint.remove()  # the last: until here the same command has it all again at once
    _print_recommendations(measured, target, named)
    if named and _can_follow(named):
        click.echo(f"to use the profile for faces: {_format_serve_command(folder, profile)}")


def measure_tasks(run: StudyRun, checkpoint: Checkpoint) -> Results:
    """Measure what is not yet in a checkpoint, show how far that is, and return all of it.

    Raises:
        PhizError: A file is missing or cannot be read, or a process that measured ended early.
        KeyboardInterrupt: It was interrupted, by SIGINT or SIGTERM.
    """
    tasks = run.list_tasks()
    # As if from a terminal: the process that measures is ended too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with show_progress(len(tasks)) as show:
            for task, left_s in run_tasks(tasks, checkpoint, run.measure_task):
                show(task, len(checkpoint.results), left_s)
    finally:
        signal.signal(signal.SIGTERM, before)
    return collect_results(tasks, checkpoint.results)


def _measure_or_resume(run: StudyRun, checkpoint: Checkpoint) -> Results:
    """Return all results, and say how an interrupted study is resumed."""
    if checkpoint.results:
        done, total = len(checkpoint.results), len(run.list_tasks())
        click.echo(f"resuming after {done} of {total} measurements", err=True)
    try:
        return measure_tasks(run, checkpoint)
    except KeyboardInterrupt:
        click.echo("interrupted; run the same command again to resume", err=True)
        raise
    except WorkerDiedError as error:
        raise WorkerDiedError(
            f"{error}; run the same command again to resume, or measure other models with --only"
        ) from error


def _select_models(group: ModelGroup | None, only: Sequence[str]) -> list[ModelSpec]:
    """Return the models that are to be measured, in the order of the catalogue.

    Raises:
        CatalogError: There is no such model.
    """
    known = Catalog(catalog.load_catalog().get_models(group))
    names = {known.get_model(name).name for name in only}
    return [model for model in known.models if not only or model.name in names]


def _choose_targets(
    place: Path, out: Path | None, profile: Path | None, emulated: str | None
) -> tuple[Path, Path | None]:
    """Return the folder for the figures, and the file for the choices, if they are for any.

    Raises:
        OptionError: Figures of an emulated device would replace the machine's own.
        SettingError: OpenVINO is limited, and nobody said that a device is emulated.
    """
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
    options = click.get_current_context().command.params
    others = [each for each in options if each.name not in _COMPARE_OPTIONS]
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


def _write_page(path: Path, studies: Sequence[Study]) -> None:
    """Write the report.

    Raises:
        ClickException: The file cannot be written.
    """
    try:
        write_file(path, render_page(studies).encode())
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def _print_recommendations(measured: Study, target: Path, profile: Path | None) -> None:
    for advice in recommend_variants(measured):
        click.echo(advice)
    click.echo(describe_noise(measured))
    figures = f"{target / DOCUMENT_FILE}, {target / PAGE_FILE}"
    click.echo(f"wrote {figures} and {profile}" if profile else f"wrote {figures}; no profile")


def _can_follow(profile: Path) -> bool:
    """Return whether a profile holds here, for all networks of the face models."""
    models = catalog.load_catalog().get_models("face")
    networks = [spec for model in models for spec in model.networks]
    return not list(find_mismatches(read_profile(profile), networks))


def _format_serve_command(folder: Path | None, profile: Path | None) -> str:
    """Return the command of a service that follows what was chosen."""
    words = ["PHIZ_RUNTIME=auto"]
    if _is_given("folder"):
        words.append(f"PHIZ_MODELS={shlex.quote(str(folder))}")
    if _is_given("profile"):
        words.append(f"PHIZ_PROFILE={shlex.quote(str(profile))}")
    return " ".join([*words, "phiz serve"])
