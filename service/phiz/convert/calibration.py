"""The ranges of tensors, measured once on photographs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter

from phiz.convert.quantise import Ranges
from phiz.errors import CatalogError, ConversionError
from phiz.models.documents import EXACT, Name, read_document
from phiz.models.tables import find_data_file


def _check_range(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    if low > high:
        raise ValueError(f"is from {low:g} to {high:g}; it must go up")
    return limits


_Range: TypeAlias = Annotated[tuple[float, float], AfterValidator(_check_range)]


@dataclass(frozen=True, slots=True)
class RangeCalibration:
    """The ranges of the tensors of one float graph.

    Attributes:
        sha256: Of the float graph; another one has other tensors.
        ranges: The mean least and the mean largest value of a tensor in one run.
    """

    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    ranges: Annotated[Mapping[Name, _Range], Field(min_length=1)]


_CALIBRATIONS: Final = TypeAdapter(
    Annotated[dict[Name, RangeCalibration], Field(min_length=1)], config=EXACT
)


def load_calibrations(path: Path | None = None) -> dict[str, RangeCalibration]:
    """Return the calibrations by network, of a file or those that belong to this phiz.

    Raises:
        CatalogError: The file cannot be read, or an entry is missing or of the wrong type.
    """
    path = path or find_data_file("calibration.json")
    try:
        return read_document(_CALIBRATIONS, path.read_text("utf-8"), "the calibration")
    except (OSError, ValueError, CatalogError) as error:
        raise CatalogError(f"cannot read the calibration {path}: {error}") from error


def get_ranges(network: str, graph: bytes, calibrations: Mapping[str, RangeCalibration]) -> Ranges:
    """Return the ranges of a network's tensors.

    Args:
        network: Its name.
        graph: The float graph, as the conversion gives it.
        calibrations: By network.

    Raises:
        ConversionError: The network was not calibrated, or is another one by now.
    """
    calibration = calibrations.get(network)
    found = hashlib.sha256(graph).hexdigest()
    if calibration is None or calibration.sha256 != found:
        raise ConversionError(
            f"{network}.onnx with sha256 {found} is not calibrated; "
            f"calibrate it with: python -m benchmarks.accuracy.calibrate --data DIR"
        )
    return calibration.ranges


def format_calibrations(calibrations: Mapping[str, RangeCalibration]) -> str:
    """Return the text of a file that ``load`` reads, a tensor on each line."""
    networks = [
        f'  "{name}": {{\n    "sha256": "{each.sha256}",\n    "ranges": {{\n'
        + ",\n".join(
            f'      "{tensor}": [{low:g}, {high:g}]' for tensor, (low, high) in each.ranges.items()
        )
        + "\n    }\n  }"
        for name, each in calibrations.items()
    ]
    return "{\n" + ",\n".join(networks) + "\n}\n"
