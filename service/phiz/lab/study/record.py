"""The figures of a study, and the document that they are kept as."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field, TypeAdapter, with_config

from phiz.errors import CatalogError, OptionError
from phiz.lab.study.machine import Machine
from phiz.lab.study.plan import Combination
from phiz.lab.study.quality import VariantQuality
from phiz.models.documents import EXACT, Name, PositiveInt, Text, read_document
from phiz.models.specs import ModelGroup

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

    model: Text
    group: ModelGroup
    sha256: Mapping[str, Text]
    file_bytes: Mapping[str, PositiveInt]
    macs: PositiveInt | None = None
    parameters: PositiveInt | None = None


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
    runs: PositiveInt
    median_ms: float
    mean_ms: float
    p90_ms: float
    p99_ms: float | None
    visits_ms: Annotated[tuple[float, ...], Field(min_length=1)]
    processor_ms: float
    peak_bytes: PositiveInt | None = None

    @property
    def images_per_s(self) -> float:
        """Return how many pictures a second these are, one batch after the other."""
        return 1000 * self.combination.batch / self.mean_ms


def _check_rounds(quality: VariantQuality) -> VariantQuality:
    if not quality.visits_ms:
        raise ValueError("has no visits_ms; it must have at least one")
    return quality


_TimedQuality: TypeAlias = Annotated[VariantQuality, AfterValidator(_check_rounds)]


@with_config(EXACT)
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
        format: The version of the document.
    """

    format: int = field(default=STUDY_FORMAT, kw_only=True)
    device: Text
    emulated: Text | None
    begun: Text
    machine: Machine
    networks: Annotated[Mapping[Name, NetworkInfo], Field(min_length=1)]
    figures: tuple[Measurement, ...]
    qualities: tuple[_TimedQuality, ...]
    has_photographs: bool
    stolen: float | None = None

    def get_group(self, model: str) -> ModelGroup | None:
        """Return the group of a model, or None if none of its networks was measured."""
        return next((facts.group for facts in self.networks.values() if facts.model == model), None)

    def get_file_bytes(self, combination: Combination) -> int:
        """Return the size of the file that a combination runs."""
        return self.networks[combination.network].file_bytes[combination.variant.network_precision]


@dataclass(frozen=True, slots=True)
class _Version:
    format: int


_VERSION: Final = TypeAdapter(_Version)
_STUDY: Final = TypeAdapter(Study)


def to_document(study: Study) -> dict[str, Any]:
    """Return a study as plain values, which ``parse_study`` reads as JSON."""
    return asdict(study)


def read_study(path: Path) -> Study:
    """Return the study in a file.

    Raises:
        OptionError: It is not there, or is not a study.
    """
    try:
        return parse_study(path.read_text("utf-8"))
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"the study {path} cannot be read: {error}") from error


def parse_study(text: str) -> Study:
    """Return the study of a JSON document.

    Raises:
        CatalogError: It is of another version, or an entry is missing, unknown or wrong.
    """
    version = read_document(_VERSION, text, "the study").format
    if version != STUDY_FORMAT:
        raise CatalogError(
            f"its format is {version}, and this version reads {STUDY_FORMAT}; measure again"
        )
    return read_document(_STUDY, text, "the study")
