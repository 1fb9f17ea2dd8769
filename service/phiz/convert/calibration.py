"""The ranges that tensors were seen to have, measured once on photographs and kept as figures."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phiz.convert.quantise import Ranges
from phiz.errors import CatalogError, ConversionError
from phiz.models.tables import read_entries, read_number, read_sha256, read_table

_PACKAGED_CALIBRATION: Final = Path(__file__).with_name("calibration.json")
_CHECKOUT_CALIBRATION: Final = Path(__file__).parents[3] / "models" / "calibration.json"


@dataclass(frozen=True, slots=True)
class RangeCalibration:
    """What is known of the tensors of one float graph.

    Attributes:
        sha256: Of the float graph; another one has other tensors.
        ranges: The mean least and the mean largest value of a tensor in one run.
    """

    sha256: str
    ranges: Ranges


def load_calibrations(path: Path | None = None) -> dict[str, RangeCalibration]:
    """Return the calibrations by network, of a file or those that belong to this phiz.

    Raises:
        CatalogError: The file cannot be read, or an entry is missing or of the wrong type.
    """
    if path is None:
        path = _PACKAGED_CALIBRATION if _PACKAGED_CALIBRATION.exists() else _CHECKOUT_CALIBRATION
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(f"the calibration {path} cannot be read: {error}") from error
    entries = read_entries(document, "the calibration")
    return {name: _parse_calibration(value, name) for name, value in entries.items()}


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
            f"do it with: python -m benchmarks.accuracy.calibrate --data DIR"
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


def _parse_calibration(value: object, where: str) -> RangeCalibration:
    table = read_table(value, where, {"sha256", "ranges"})
    ranges = read_entries(table["ranges"], f"{where}.ranges")
    return RangeCalibration(
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        ranges={
            name: _parse_range(entry, f"{where}.ranges.{name}") for name, entry in ranges.items()
        },
    )


def _parse_range(value: Any, where: str) -> tuple[float, float]:  # noqa: ANN401  JSON's
    if not isinstance(value, list) or len(value) != len(("least", "largest")):
        raise CatalogError(f"{where} is not a list of two numbers")
    low, high = (read_number(number, where) for number in value)
    if low > high:
        raise CatalogError(f"{where} is from {low:g} to {high:g}; it must go up")
    return low, high
