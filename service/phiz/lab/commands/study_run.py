"""The run of a study: what is measured, and how far that is, on standard error."""

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.lab.commands.missing_models import require_built
from phiz.lab.commands.progress import show_progress

if TYPE_CHECKING:
    from phiz.lab.study.checkpoint import Checkpoint
    from phiz.lab.study.machine import Machine
    from phiz.lab.study.record import NetworkInfo, Study
    from phiz.lab.study.run import StudyRun


def plan_study(
    folder: Path | None,
    data: Path | None,
    wanted: Sequence[str],
    emulated: str | None,
    *,
    quick: bool,
) -> "StudyRun":
    """Return what is to be measured.

    Args:
        folder: Where built models lie, if it was named.
        data: Of labelled photographs, or None.
        wanted: Models that are measured; empty for all.
        emulated: How the device differs from this machine; None if it is that.
        quick: Whether it should be short.

    Raises:
        CatalogError: There is no such model.
        OptionError: Nothing is built of it, or the photographs cannot be judged by.
    """
    from phiz.lab.study.networks import find_networks, list_complete_models  # noqa: PLC0415
    from phiz.lab.study.photographs import check_study_data  # noqa: PLC0415
    from phiz.lab.study.plan import FULL, QUICK  # noqa: PLC0415
    from phiz.lab.study.run import StudyRun  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415  slow to load

    known = catalog.load_catalog()
    require_built(known, folder, wanted)
    place = folder or catalog.get_default_folder()
    networks = [
        network
        for network in find_networks(known, place)
        if not wanted or network.model.name in wanted
    ]
    if data:
        check_study_data(data, list_complete_models(networks))
    return StudyRun(networks, place, data, QUICK if quick else FULL, emulated)


def run_study(
    study_run: "StudyRun",
    checkpoint: "Checkpoint",
    machine: "Machine",
    device: str | None,
) -> "Study":
    """Measure what is not yet in a checkpoint, show how far that is, and return all of it.

    Args:
        study_run: What is to be measured.
        checkpoint: Has what is finished.
        machine: That this is.
        device: What it is called; by default its processor.

    Raises:
        PhizError: A file is missing or cannot be read, or a process that measured ended early.
        KeyboardInterrupt: It was interrupted, by SIGINT or SIGTERM.
    """
    from phiz.lab.study.record import Study  # noqa: PLC0415
    from phiz.lab.study.run import collect_results, run_tasks  # noqa: PLC0415  see course_of

    tasks = study_run.list_tasks()
    if checkpoint.results:
        click.echo(
            f"resuming after {len(checkpoint.results)} of {len(tasks)} measurements", err=True
        )
    # As if from a terminal: the process that measures is ended too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with show_progress(len(tasks)) as progress:
            for task, left_s in run_tasks(
                tasks, checkpoint, study_run.preset, study_run.measure_task
            ):
                progress.show(task, len(checkpoint.results), left_s)
    except KeyboardInterrupt:
        click.echo("interrupted; run the same command again to resume", err=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    figures, qualities = collect_results(tasks, checkpoint.results)
    return Study(
        device=device or machine.processor,
        emulated=study_run.emulated,
        begun=checkpoint.begun,
        machine=machine,
        networks=_collect_facts(study_run),
        figures=figures,
        qualities=qualities,
        has_photographs=study_run.data is not None,
        stolen=None if checkpoint.stolen is None else round(checkpoint.stolen, 4),
    )


def _collect_facts(study_run: "StudyRun") -> "dict[str, NetworkInfo]":
    """Return what is known of the networks; their sizes only where models can be built."""
    from phiz.lab.study.run import describe_networks  # noqa: PLC0415  see course_of

    facts = describe_networks(study_run.networks)
    try:
        from phiz.convert.size import measure_size  # noqa: PLC0415
    except ModuleNotFoundError:
        return facts
    for network in study_run.networks:
        name = network.spec.name
        size = measure_size(network.read(study_run.folder).graphs["float32"])
        if size is not None:
            facts[name] = replace(facts[name], macs=size.macs, parameters=size.parameters)
    return facts
