from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import openvino
import pytest

from phiz.runtime import Runtime, Session
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.openvino import (
    DEVICE,
    KERNEL_CACHE_CAPACITY,
    OpenVinoRuntime,
    OpenVinoSession,
    build_configuration,
    has_bf16,
)

Open = Callable[[Runtime, str], Session]
Pixels = Callable[..., np.ndarray]

# Of two float32 computations in different orders, each within its tolerance of the original.
REGRESSION_PX = 4e-4
PARTS = 4.4e-6


@pytest.mark.parametrize(
    ("name", "shape", "tolerance"),
    [
        ("front", (1, 128, 128), REGRESSION_PX),
        ("back", (2, 256, 256), REGRESSION_PX),
        ("full", (1, 192, 192), REGRESSION_PX),
        ("pnet", (1, 72, 101), PARTS),
        ("rnet", (5, 24, 24), PARTS),
        ("onet", (3, 48, 48), PARTS),
    ],
)
def test_float32_gives_the_numbers_of_onnxruntime(
    open_in: Open, pixels: Pixels, name: str, shape: tuple[int, ...], tolerance: float
) -> None:
    given = pixels(name, *shape)
    ours = open_in(OpenVinoRuntime(), name).run(given)
    expected = open_in(OnnxRuntime(), name).run(given)
    assert ours.keys() == expected.keys()
    for output, array in expected.items():
        assert ours[output].shape == array.shape
        assert ours[output].dtype == array.dtype
        np.testing.assert_allclose(ours[output], array, atol=tolerance, rtol=1e-5)


def test_shapes_may_change_from_run_to_run(open_in: Open, pixels: Pixels) -> None:
    ours, other = open_in(OpenVinoRuntime(), "pnet"), open_in(OnnxRuntime(), "pnet")
    for height, width in [(12, 12), (72, 385), (31, 17), (12, 12), (73, 385)]:
        given = pixels("pnet", 1, height, width)
        expected = other.run(given)["probabilities"]
        np.testing.assert_allclose(ours.run(given)["probabilities"], expected, atol=PARTS)


def test_an_input_need_not_be_contiguous_or_writable(open_in: Open, pixels: Pixels) -> None:
    session = open_in(OpenVinoRuntime(), "rnet")
    given = pixels("rnet", 4, 24, 24)
    for view in (given[::2], given[:2]):
        expected = session.run(view.copy())["probabilities"]
        view.flags.writeable = False
        np.testing.assert_array_equal(session.run(view)["probabilities"], expected)


def test_answers_are_the_callers_own(open_in: Open, pixels: Pixels) -> None:
    session = open_in(OpenVinoRuntime(), "front")
    first = session.run(pixels("front", 1, 128, 128))
    before = {name: array.copy() for name, array in first.items()}
    session.run(pixels("front", 1, 128, 128, seed=1))
    for name, array in first.items():
        np.testing.assert_array_equal(array, before[name])


def test_threads_share_a_session(open_in: Open, pixels: Pixels) -> None:
    session = open_in(OpenVinoRuntime(), "rnet")
    batches = [pixels("rnet", 1 + seed % 5, 24, 24, seed=seed) for seed in range(40)]
    alone = [session.run(batch)["probabilities"] for batch in batches]
    barrier = Barrier(4)

    def run(first: int) -> list[np.ndarray]:
        barrier.wait()
        return [session.run(batch)["probabilities"] for batch in batches[first::4]]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, range(4)))
    for place, one in enumerate(alone):
        np.testing.assert_array_equal(one, together[place % 4][place // 4])


def test_a_wrong_input_leaves_the_session_usable(open_in: Open, pixels: Pixels) -> None:
    session = open_in(OpenVinoRuntime(), "rnet")
    given = pixels("rnet", 2, 24, 24)
    before = session.run(given)["probabilities"]
    with pytest.raises(RuntimeError):
        session.run(given[:, :, :20])
    np.testing.assert_array_equal(session.run(given)["probabilities"], before)


def test_sessions_that_wait_are_used_again(
    open_in: Open, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    real = OpenVinoSession._compile_request  # noqa: SLF001

    def spy(session: OpenVinoSession) -> openvino.InferRequest:
        compiled.append(session)
        return real(session)

    monkeypatch.setattr(OpenVinoSession, "_compile_request", spy)
    session = open_in(OpenVinoRuntime(), "rnet")
    for _ in range(5):
        session.run(pixels("rnet", 2, 24, 24))
    assert len(compiled) == 1


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", openvino.Type.f32), ("bf16", openvino.Type.bf16)]
)
def test_a_network_is_compiled_as_asked(
    models_folder: object, precision: str, expected: openvino.Type
) -> None:
    core = openvino.Core()
    model = core.read_model(f"{models_folder}/front.onnx")
    asked = build_configuration(precision, 1)  # type: ignore[arg-type]  # a table's word
    compiled = core.compile_model(model, DEVICE, asked)
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
    if "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES") or precision == "float32":
        assert compiled.get_property("INFERENCE_PRECISION_HINT") == expected


def test_memory_of_shapes_is_bounded(open_in: Open) -> None:
    """What OpenVINO is given: it does not tell this property, but refuses unknown ones."""
    given = []

    class Core(openvino.Core):  # type: ignore[misc]  # it has no types
        def compile_model(self, *arguments: Any) -> openvino.CompiledModel:
            given.append(arguments)
            return super().compile_model(*arguments)

    open_in(OpenVinoRuntime(_core=Core()), "pnet")
    ((_, device, properties),) = given
    assert device == "CPU"
    assert properties["CPU_RUNTIME_CACHE_CAPACITY"] == KERNEL_CACHE_CAPACITY


def test_instructions_that_are_left_out_are_not_counted_on() -> None:
    limited = [has_bf16({"ONEDNN_MAX_CPU_ISA": limit}) for limit in ("avx2", "AVX512_CORE_VNNI")]
    assert limited == [False, False]
    assert not has_bf16({"DNNL_MAX_CPU_ISA": "AVX2"})  # its older name
    assert has_bf16({"ONEDNN_MAX_CPU_ISA": "ALL"}) == has_bf16({})
