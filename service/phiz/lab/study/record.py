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
    """The properties of a network that are known without running it.

    Attributes:
        model: Name of its model.
        group: Group of its model.
        sha256: SHA-256 of its file, by precision.
        file_bytes: Bytes of its file, by precision.
        macs: Multiply-adds for one image, as built; None if they were not counted, or if the
            input has no fixed size.
        parameters: Numbers in its layers, as built; None if they were not counted.
    """

    model: Text
    group: ModelGroup
    sha256: Mapping[str, Text]
    file_bytes: Mapping[str, PositiveInt]
    macs: PositiveInt | None = None
    parameters: PositiveInt | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one combination.

    Attributes:
        combination: The network, and how it was run.
        runs: Number of runs in the quiet rounds; a run is a batch.
        median_ms: Median of a run in the quietest round.
        mean_ms: Mean of a run; unlike the median it shows that a quota stops some runs.
        p90_ms: 90th percentile.
        p99_ms: 99th percentile; None if there were too few runs.
        visits_ms: Median of every round, quiet or not.
        processor_ms: Time of all threads for one image; also the seconds for a thousand.
        peak_bytes: Peak of a process that runs nothing else; None if it was not measured.
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
        """Return the number of images a second, one batch after the other."""
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
        device: Name of the device.
        emulated: How the device differs from the machine; None if it is the machine.
        begun: Time at which the study first began, in UTC (ISO 8601).
        machine: The machine that measured.
        networks: The networks by name.
        figures: The figures of every combination.
        qualities: The quality of every model and variant.
        has_photographs: Whether accuracy is known, and not agreement alone.
        stolen: Share of the time of all processors that the host gave to others.
        format: Version of the document.
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
