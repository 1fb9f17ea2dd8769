from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from phiz.errors import SettingError
from phiz.models.specs import Architecture
from phiz.runtime import Runtime, Session
from phiz.runtime.onnx import CPU_PROVIDER, OnnxRuntime, build_session_options

Open = Callable[[Runtime, str], Session]
Pixels = Callable[..., np.ndarray]
# Part of every onnxruntime of the registry, and calls nothing until it is given an address.
OTHER = "AzureExecutionProvider"


@pytest.mark.parametrize(
    ("architecture", "has_arena", "has_pattern"),
    [
        ("blazeface", True, True),
        ("pnet", False, False),
        ("onet", False, False),
        ("centerface", True, False),
    ],
)
def test_a_plan_of_memory_is_kept_only_where_sizes_stay(
    architecture: Architecture,
    has_arena: bool,  # noqa: FBT001
    has_pattern: bool,  # noqa: FBT001
) -> None:
    options = build_session_options(1, architecture)
    assert options.enable_cpu_mem_arena is has_arena
    assert options.enable_mem_pattern is has_pattern


@pytest.mark.parametrize("threads", [1, 2])
def test_an_inference_has_the_threads_it_is_given(threads: int) -> None:
    options = build_session_options(threads, "blazeface")
    assert options.intra_op_num_threads == threads
    assert options.inter_op_num_threads == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [("front", True), ("back", True), ("full", True), ("pnet", False), ("rnet", False)],
)
def test_the_cascade_alone_keeps_no_memory(
    open_in: Open,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kept: bool,  # noqa: FBT001
) -> None:
    given = []
    real = onnxruntime.InferenceSession

    def spy(graph: bytes, options: onnxruntime.SessionOptions, providers: list[str]) -> object:
        given.append(options.enable_cpu_mem_arena)
        return real(graph, options, providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    open_in(OnnxRuntime(), name)
    assert given == [kept]


def test_answers_are_the_callers_own(open_in: Open, pixels: Pixels) -> None:
    session = open_in(OnnxRuntime(), "front")
    first = session.run(pixels("front", 1, 128, 128))
    before = {name: array.copy() for name, array in first.items()}
    session.run(pixels("front", 1, 128, 128, seed=1))
    for name, array in first.items():
        np.testing.assert_array_equal(array, before[name])


def test_threads_share_a_session(open_in: Open, pixels: Pixels) -> None:
    session = open_in(OnnxRuntime(), "rnet")
    batches = [pixels("rnet", 1 + seed % 5, 24, 24, seed=seed) for seed in range(20)]
    alone = [session.run(batch)["probabilities"] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = [each["probabilities"] for each in pool.map(session.run, batches)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_provider_that_is_not_built_in() -> None:
    with pytest.raises(SettingError, match=rf"lacks MadeUpProvider; it has .*{CPU_PROVIDER}"):
        OnnxRuntime(("MadeUpProvider", CPU_PROVIDER))


def test_gpu_that_is_not_built_in_is_an_error_with_advice() -> None:
    with pytest.raises(SettingError, match="for CUDA, install onnxruntime-gpu in its place"):
        OnnxRuntime(("CUDAExecutionProvider", CPU_PROVIDER))


def test_outputs_of_a_gpu_are_those_of_a_plain_run(
    open_in: Open, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = open_in(OnnxRuntime(), "front")
    # The processor stands in for the GPU: its outputs are bound and copied in the same way.
    monkeypatch.setattr("phiz.runtime.onnx.GPU_PROVIDERS", frozenset({CPU_PROVIDER}))
    bound = open_in(OnnxRuntime(), "front")
    for seed in range(3):
        given = pixels("front", 1 + seed, 128, 128, seed=seed)
        outputs = bound.run(given[:, ::-1])
        for name, expected in plain.run(given[:, ::-1]).items():
            np.testing.assert_array_equal(outputs[name], expected)


def test_providers_are_used_in_their_order(open_in: Open, pixels: Pixels) -> None:
    given = pixels("front", 1, 128, 128)
    other = open_in(OnnxRuntime((OTHER, CPU_PROVIDER)), "front").run(given)
    plain = open_in(OnnxRuntime(), "front").run(given)
    np.testing.assert_array_equal(other["logits"], plain["logits"])


def test_a_provider_that_cannot_start(open_in: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a machine with the package for a graphics card, but without its driver.
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [CPU_PROVIDER, "CardProvider"]
    )
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda graph, options, _providers: real(graph, options, [CPU_PROVIDER]),
    )
    with pytest.raises(SettingError, match=rf"cannot use CardProvider .*it can use {CPU_PROVIDER}"):
        open_in(OnnxRuntime(("CardProvider", CPU_PROVIDER)), "front")
