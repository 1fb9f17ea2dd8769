"""Studies as nobody measured them, to compute with."""

from collections.abc import Mapping, Sequence

from phiz.lab.study.checkpoint import TaskResult
from phiz.lab.study.machine import Machine
from phiz.lab.study.plan import Combination, StudyTask
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement, NetworkInfo, Study
from phiz.lab.study.timing import RunTimes
from phiz.models.specs import Precision
from phiz.runtime.variants import Variant, find_installed_variants

FLOAT32, INT8 = Variant("onnxruntime", "float32"), Variant("onnxruntime", "int8")
OPENVINO, BF16 = Variant("openvino", "float32"), Variant("openvino", "bf16")

ALL_PRECISIONS: tuple[Precision, ...] = ("float32", "int8")

MACHINE = Machine(
    processor="Abacus, beads",
    instructions=("avx2", "avx512_vnni"),
    processors=2,
    quota=None,
    memory_bytes=8_000_000_000,
    clock_mhz=2500.0,
    copied_gb_s=10.0,
    versions={"phiz": "0.1.0", "onnxruntime": "1.31.1"},
)


def facts(model: str, group: str = "classify") -> NetworkInfo:
    sizes = {"float32": 14_000_000, "int8": 4_000_000}
    return NetworkInfo(model, group, dict.fromkeys(sizes, "0" * 64), sizes)  # type: ignore[arg-type]


def figures(
    network: str,
    variant: Variant,
    median_ms: float,
    visits_ms: Sequence[float] = (),
    mean_ms: float | None = None,
    peak_bytes: int | None = 100_000_000,
    threads: int = 1,
    batch: int = 1,
) -> Measurement:
    return Measurement(
        combination=Combination(network, variant, threads, batch),
        runs=500,
        median_ms=median_ms,
        mean_ms=mean_ms or median_ms,
        p90_ms=1.2 * median_ms,
        p99_ms=1.5 * median_ms,
        visits_ms=tuple(visits_ms) or (median_ms, 1.01 * median_ms),
        processor_ms=median_ms,
        peak_bytes=peak_bytes,
    )


def quality(
    model: str,
    variant: Variant,
    answers: float,
    median_ms: float = 5.0,
    *,
    passes: bool = True,
    visits_ms: Sequence[float] = (),
    excess: Mapping[str, float] | None = None,
    precisions: Mapping[str, Precision] | None = None,
) -> VariantQuality:
    accuracy = {"top-1": answers, "top-5": 0.99}
    visits = tuple(visits_ms) or (median_ms, 1.01 * median_ms)
    own = {model: variant.network_precision, **(precisions or {})}
    return VariantQuality(model, variant, own, 100, 0.98, accuracy, passes, excess or {}, visits)


def study(
    *measured: Measurement,
    qualities: Sequence[VariantQuality] = (),
    device: str = "Abacus",
    emulated: str | None = None,
    machine: Machine = MACHINE,
    networks: Mapping[str, NetworkInfo] | None = None,
) -> Study:
    names = dict.fromkeys(each.combination.network for each in measured)
    return Study(
        device=device,
        emulated=emulated,
        begun="2026-01-01T00:00:00+00:00",
        machine=machine,
        networks=networks or {name: facts(name) for name in names},
        figures=measured,
        qualities=tuple(qualities),
        has_photographs=True,
        stolen=0.01,
    )


def usual(device: str = "Abacus", slower: float = 1.0, emulated: str | None = None) -> Study:
    """Two classifiers and a face model, where 8 bits are faster but for the face model."""
    times = {
        ("mobilenet", FLOAT32): 4.0,
        ("mobilenet", INT8): 2.0,
        ("efficientnet", FLOAT32): 6.0,
        ("efficientnet", INT8): 3.0,
        ("front", FLOAT32): 0.5,
        ("front", INT8): 0.6,
    }
    answers = {"mobilenet": 0.85, "efficientnet": 0.89, "front": 0.3}
    return study(
        *(figures(name, variant, slower * each) for (name, variant), each in times.items()),
        qualities=[
            quality(name, variant, answers[name], 1.0, passes=(name, variant) != ("front", INT8))
            for name, variant in times
        ],
        device=device,
        emulated=emulated,
        networks={**{name: facts(name) for name in answers}, "front": facts("front", "face")},
    )


def invent_result(task: StudyTask, model: str, fastest: Variant | None = None) -> TaskResult:
    """An answer of the right kind that nobody measured."""
    if task.kind == "times":
        return {
            str(each): RunTimes((500,) if each.variant == fastest else (1000, 1100), 0.002)
            for each in task.combinations
        }
    if task.kind == "pace":
        return {
            str(each): [0.0009, 0.001]
            for precision in ALL_PRECISIONS
            for each in find_installed_variants(precision)
        }
    if task.kind == "memory":
        return 100_000_000
    return [quality(model, each, 0.5, excess={model: 0.5}) for each in find_installed_variants()]
