"""The figures of a study, and the document that they are kept as."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

from phiz.errors import CatalogError, OptionError
from phiz.lab.study.machine import Machine
from phiz.lab.study.plan import Combination
from phiz.lab.study.quality import VariantQuality
from phiz.models.specs import MODEL_GROUPS, ModelGroup, Precision
from phiz.models.tables import (
    read_bool,
    read_choice,
    read_entries,
    read_number,
    read_positive_int,
    read_table,
    read_text,
)
from phiz.runtime.session import ComputePrecision
from phiz.runtime.variants import RUNTIME_FACTORIES, Variant

STUDY_FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """What is known of a network without running it.

    Attributes:
        model: That it belongs to.
        group: Of the model.
        sha256: By precision, of its file.
        file_bytes: By precision, of its file.
        macs: Multiplications with additions for one picture, as built; None where they were
            not counted, or where the input has no fixed size.
        parameters: Numbers in its layers, as built; None where they were not counted.
    """

    model: str
    group: ModelGroup
    sha256: Mapping[str, str]
    file_bytes: Mapping[str, int]
    macs: int | None = None
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One combination.

    Attributes:
        combination: In question.
        runs: That count: those of the quiet rounds.
        median_ms: Of a run, which is a batch; in the quietest round.
        mean_ms: Of a run; unlike the median it shows that a quota stops some of them.
        p90_ms: The 90th percentile.
        p99_ms: The 99th; None where there were too few runs to have one.
        visits_ms: The median of each round, of those that do not count too.
        processor_ms: Of all threads, for one picture; the same number is the seconds of a
            thousand.
        peak_bytes: Of a process that does nothing else; None where it was not measured.
    """

    combination: Combination
    runs: int
    median_ms: float
    mean_ms: float
    p90_ms: float
    p99_ms: float | None
    visits_ms: tuple[float, ...]
    processor_ms: float
    peak_bytes: int | None = None

    @property
    def images_per_s(self) -> float:
        """Return how many pictures a second these are, one batch after the other."""
        return 1000 * self.combination.batch / self.mean_ms


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that was measured on one device.

    Attributes:
        device: What it is called.
        emulated: How it differs from the machine that it is; None if it is that.
        begun: When, in UTC, as ISO 8601 has it; if it was interrupted, when it first was.
        machine: That it ran on.
        networks: By name.
        figures: Of every combination.
        qualities: Of every model and variant.
        has_photographs: Whether accuracy is known, and not agreement alone.
        stolen: The share of the time of all processors that the host gave to others.
    """

    device: str
    emulated: str | None
    begun: str
    machine: Machine
    networks: Mapping[str, NetworkInfo]
    figures: tuple[Measurement, ...]
    qualities: tuple[VariantQuality, ...]
    has_photographs: bool
    stolen: float | None = None

    def get_group(self, model: str) -> ModelGroup | None:
        """Return the group of a model, or None if none of its networks was measured."""
        return next((facts.group for facts in self.networks.values() if facts.model == model), None)


def to_document(study: Study) -> dict[str, Any]:
    """Return a study as plain values, which ``parse_study`` reads."""
    return {"format": STUDY_FORMAT, **asdict(study)}


def read_study(path: Path) -> Study:
    """Return the study in a file.

    Raises:
        OptionError: It is not there, or is not a study.
    """
    try:
        return parse_study(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"the study {path} cannot be read: {error}") from error


def parse_study(document: object) -> Study:
    """Return the study of a document that has been read as JSON.

    Raises:
        CatalogError: An entry is missing, unknown or of the wrong type.
    """
    keys = {"format", *Study.__dataclass_fields__}
    top = read_table(document, "the study", keys)
    if read_positive_int(top["format"], "format") != STUDY_FORMAT:
        raise CatalogError(
            f"its format is {top['format']}, and this version reads {STUDY_FORMAT}; measure again"
        )
    networks = read_entries(top["networks"], "networks")
    return Study(
        device=read_text(top["device"], "device"),
        emulated=None if top["emulated"] is None else read_text(top["emulated"], "emulated"),
        begun=read_text(top["begun"], "begun"),
        machine=_parse_machine(top["machine"]),
        networks={
            name: _parse_network_info(value, f"networks.{name}") for name, value in networks.items()
        },
        figures=tuple(
            _parse_measurement(*entry) for entry in _list_entries(top["figures"], "figures")
        ),
        qualities=tuple(
            _parse_quality(*entry) for entry in _list_entries(top["qualities"], "qualities")
        ),
        has_photographs=read_bool(top["has_photographs"], "has_photographs"),
        stolen=_parse_optional(top["stolen"], "stolen"),
    )


def _parse_machine(value: object) -> Machine:
    table = read_table(value, "machine", Machine.__dataclass_fields__)
    versions = read_entries(table["versions"], "machine.versions")
    return Machine(
        processor=read_text(table["processor"], "machine.processor"),
        instructions=tuple(
            read_text(name, where)
            for name, where in _list_entries(table["instructions"], "machine")
        ),
        processors=read_positive_int(table["processors"], "machine.processors"),
        quota=_parse_optional(table["quota"], "machine.quota"),
        memory_bytes=read_positive_int(table["memory_bytes"], "machine.memory_bytes"),
        clock_mhz=_parse_optional(table["clock_mhz"], "machine.clock_mhz"),
        copied_gb_s=read_number(table["copied_gb_s"], "machine.copied_gb_s"),
        versions={name: read_text(each, f"versions.{name}") for name, each in versions.items()},
    )


def _parse_network_info(value: object, where: str) -> NetworkInfo:
    table = read_table(value, where, NetworkInfo.__dataclass_fields__)
    hashes = read_entries(table["sha256"], f"{where}.sha256")
    sizes = read_entries(table["file_bytes"], f"{where}.file_bytes")
    macs, parameters = table["macs"], table["parameters"]
    return NetworkInfo(
        model=read_text(table["model"], f"{where}.model"),
        group=read_choice(table["group"], f"{where}.group", MODEL_GROUPS),
        sha256={precision: read_text(each, where) for precision, each in hashes.items()},
        file_bytes={precision: read_positive_int(each, where) for precision, each in sizes.items()},
        macs=None if macs is None else read_positive_int(macs, f"{where}.macs"),
        parameters=None
        if parameters is None
        else read_positive_int(parameters, f"{where}.parameters"),
    )


def _parse_measurement(value: object, where: str) -> Measurement:
    table = read_table(value, where, Measurement.__dataclass_fields__)
    peak = table["peak_bytes"]
    return Measurement(
        combination=_parse_combination(table["combination"], f"{where}.combination"),
        runs=read_positive_int(table["runs"], f"{where}.runs"),
        median_ms=read_number(table["median_ms"], f"{where}.median_ms"),
        mean_ms=read_number(table["mean_ms"], f"{where}.mean_ms"),
        p90_ms=read_number(table["p90_ms"], f"{where}.p90_ms"),
        p99_ms=_parse_optional(table["p99_ms"], f"{where}.p99_ms"),
        visits_ms=_parse_rounds(table["visits_ms"], f"{where}.visits_ms"),
        processor_ms=read_number(table["processor_ms"], f"{where}.processor_ms"),
        peak_bytes=None if peak is None else read_positive_int(peak, f"{where}.peak_bytes"),
    )


def _parse_combination(value: object, where: str) -> Combination:
    table = read_table(value, where, Combination.__dataclass_fields__)
    return Combination(
        network=read_text(table["network"], f"{where}.network"),
        variant=_parse_variant(table["variant"], f"{where}.variant"),
        threads=read_positive_int(table["threads"], f"{where}.threads"),
        batch=read_positive_int(table["batch"], f"{where}.batch"),
    )


def _parse_variant(value: object, where: str) -> Variant:
    table = read_table(value, where, {"runtime", "precision"})
    return Variant(
        read_choice(table["runtime"], f"{where}.runtime", tuple(RUNTIME_FACTORIES)),
        read_choice(table["precision"], f"{where}.precision", get_args(ComputePrecision)),
    )


def _parse_quality(value: object, where: str) -> VariantQuality:
    table = read_table(value, where, VariantQuality.__dataclass_fields__)
    compared = read_number(table["compared"], f"{where}.compared")
    return VariantQuality(
        model=read_text(table["model"], f"{where}.model"),
        variant=_parse_variant(table["variant"], f"{where}.variant"),
        forms={
            name: read_choice(precision, f"{where}.forms", get_args(Precision))
            for name, precision in read_entries(table["forms"], f"{where}.forms").items()
        },
        compared=int(compared),
        agreement=read_number(table["agreement"], f"{where}.agreement"),
        accuracy=_parse_numbers(table["accuracy"], f"{where}.accuracy"),
        passes=read_bool(table["passes"], f"{where}.passes"),
        excess=_parse_numbers(table["excess"], f"{where}.excess"),
        visits_ms=_parse_rounds(table["visits_ms"], f"{where}.visits_ms"),
    )


def _parse_rounds(value: object, where: str) -> tuple[float, ...]:
    medians_ms = tuple(read_number(*round_times) for round_times in _list_entries(value, where))
    if not medians_ms:
        raise CatalogError(f"{where} is empty")
    return medians_ms


def _parse_numbers(value: object, where: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise CatalogError(f"{where} is not a table of numbers")
    return {name: read_number(each, f"{where}.{name}") for name, each in value.items()}


def _parse_optional(value: object, where: str) -> float | None:
    return None if value is None else read_number(value, where)


def _list_entries(value: object, where: str) -> list[tuple[Any, str]]:
    """Return the entries of a list, which may be empty, and where each stands."""
    if not isinstance(value, list | tuple):
        raise CatalogError(f"{where} is not a list")
    return [(entry, f"{where}[{place}]") for place, entry in enumerate(value)]
