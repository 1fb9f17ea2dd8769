"""What 8 bits save in a network and what they cost: figures, and tables of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from phiz.lab.accuracy.gates import LEAST_KEPT, MAX_PRECISION_LOSS
from phiz.runtime.variants import RUNTIME_FACTORIES, RuntimeName

BF16 = "openvino bf16"
HEADINGS = (
    *("network", "kB", "onnxruntime", "OpenVINO", "its bfloat16"),
    *("AP float32", "AP int8", "kept", "gate"),
)


@dataclass(frozen=True, slots=True)
class SavingsRow:
    """The figures of one network.

    Attributes:
        network: Its name.
        float_bytes: Of the ONNX file.
        int8_bytes: Likewise.
        median_ms: Processor time of one picture or batch of crops, by runtime and precision.
        float_precision: Average precision of its model at each of ``LEVELS``, 0 to 1.
        int8_precision: The same with this network in 8 bits.
        faces: That float32 is sure of.
        kept: Of them, that have a counterpart.
    """

    network: str
    float_bytes: int
    int8_bytes: int
    median_ms: dict[str, float]
    float_precision: list[float]
    int8_precision: list[float]
    faces: int
    kept: int

    @property
    def passes(self) -> bool:
        """Whether 8 bits find the same faces."""
        pairs = zip(self.float_precision, self.int8_precision, strict=True)
        loses_little = all(before - after <= MAX_PRECISION_LOSS for before, after in pairs)
        return loses_little and self.kept >= LEAST_KEPT * self.faces


def format_row(row: SavingsRow) -> list[str]:
    """Return a row of the table in Markdown, below ``HEADINGS``."""
    return [
        f"`{row.network}`",
        f"{row.float_bytes / 1000:.0f} → {row.int8_bytes / 1000:.0f}",
        *(_format_change(row, runtime) for runtime in RUNTIME_FACTORIES),
        f"{row.median_ms[BF16]:.2f}" if BF16 in row.median_ms else "-",
        " / ".join(f"{area:.3f}" for area in row.float_precision),
        " / ".join(f"{area:.3f}" for area in row.int8_precision),
        f"{row.kept} of {row.faces}",
        "passes" if row.passes else "fails",
    ]


def _format_change(row: SavingsRow, runtime: RuntimeName) -> str:
    """Return a runtime's time in float32, in 8 bits, and the ratio."""
    if f"{runtime} int8" not in row.median_ms:
        return "-"
    before, after = (row.median_ms[f"{runtime} {precision}"] for precision in ("float32", "int8"))
    return f"{before:.2f} → {after:.2f} ({after / before:.2f})"


def build_table(rows: Sequence[SavingsRow]) -> Table:
    """Return the rows for a terminal."""
    ways = list(rows[0].median_ms)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("network")
    for heading in ("kB", "int8", *(f"{way} ms" for way in ways), "AP", "AP int8", "kept"):
        table.add_column(heading, justify="right")
    table.add_column("gate")
    for row in rows:
        table.add_row(
            row.network,
            f"{row.float_bytes / 1000:.0f}",
            f"{row.int8_bytes / 1000:.0f}",
            *(f"{row.median_ms[way]:.2f}" for way in ways),
            *(
                " ".join(f"{area:.3f}" for area in areas)
                for areas in (row.float_precision, row.int8_precision)
            ),
            f"{row.kept}/{row.faces}",
            "passes" if row.passes else "fails",
        )
    return table
