from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from phiz.boxes.geometry import box_iou
from phiz.convert import calibration
from phiz.convert.conversion import convert_network
from phiz.convert.graph import Graph
from phiz.convert.quantise import (
    compute_scale_and_zero_point,
    find_quantised_tensors,
    fold_kernels,
    keep_channel_sums,
    quantise_graph,
    quantise_weights,
)
from phiz.detectors.factory import DETECTOR_FACTORIES
from phiz.errors import ConversionError
from phiz.faces import DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.models import catalog
from phiz.models.specs import ModelSpec, NetworkSpec
from phiz.runtime import Session
from phiz.runtime.onnx import OnnxRuntime
from phiz.timings import Stopwatch
from tests.conftest import NETWORKS

every_network = pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)


def kernels(*weights: float) -> NDArray[np.float32]:
    """Kernels (M, 1, 1, 1)."""
    return np.array(weights, np.float32).reshape(-1, 1, 1, 1)


def chain() -> bytes:
    """Relu, pool, a layer with its Relu, a layer without, and a head, of one channel."""
    graph = Graph("chain")
    x = graph.add_input("x", onnx.TensorProto.FLOAT, ("batch", 1, 2, 2))
    x = graph.add_node("Relu", x)
    x = graph.add_node("MaxPool", x, kernel_shape=[1, 1])
    for weight, bias in ((127, 3), (-127, 50)):
        parameters = kernels(weight / 127), np.array([bias], np.float32)
        x = graph.add_node("Conv", x, *(graph.add_constant(array) for array in parameters))
        x = graph.add_node("Relu", x) if weight > 0 else x
    graph.add_node("Conv", x, graph.add_constant(kernels(0.5)), output="y")
    graph.add_output("y", ("batch", 1, 2, 2))
    return graph.serialise()


def run(graph: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    (outputs,) = ort.InferenceSession(graph).run(None, {"x": inputs})
    return np.asarray(outputs)


@pytest.mark.parametrize(
    ("low", "high", "step", "zero"),
    [
        (0, 255, 1, 0),
        (-255, 0, 1, 255),
        (-128, 127, 1, 128),
        (-1, 1.55, 0.01, 100),
        (10, 255, 1, 0),
        (-255, -10, 1, 255),
        (0, 0, 1, 0),
    ],
    ids=str,
)
def test_steps_cover_a_range_and_zero(low: float, high: float, step: float, zero: int) -> None:
    found_step, found_zero = compute_scale_and_zero_point(low, high)
    assert (found_step, int(found_zero)) == (np.float32(step), zero)
    assert found_step.dtype == np.float32
    assert found_zero.dtype == np.uint8


def test_weights_are_rounded_by_output() -> None:
    weights = np.array([[127, -1, 0.4], [0, 0, 0], [-0.5, 0.25, 0.127]], np.float32)
    rounded, steps = quantise_weights(weights)
    assert rounded.tolist() == [[127, -1, 0], [0, 0, 0], [-127, 64, 32]]
    assert rounded.dtype == np.int8
    assert steps.tolist() == [1, 1, np.float32(0.5 / 127)]


@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3, 3)], ids=str)
def test_rounded_weights_are_within_half_a_step(shape: tuple[int, ...]) -> None:
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    rounded, steps = quantise_weights(weights)
    by_output = steps.reshape(-1, *[1] * (len(shape) - 1))
    assert (np.abs(rounded * by_output - weights) <= by_output * 0.5001).all()


def test_layer_of_blocks_computes_the_layer_of_every_other_pixel() -> None:
    kernels = np.random.default_rng(1).normal(size=(5, 3, 3, 3)).astype(np.float32)
    pixels = np.random.default_rng(2).integers(0, 256, (3, 8, 12)).astype(np.float32)
    blocks = pixels.reshape(3, 4, 2, 6, 2).transpose(2, 4, 0, 1, 3).reshape(12, 4, 6)
    expected = slide_kernels(np.pad(pixels, ((0, 0), (1, 1), (1, 1))), kernels, stride=2)
    found = slide_kernels(np.pad(blocks, ((0, 0), (1, 0), (1, 0))), fold_kernels(kernels), stride=1)
    np.testing.assert_allclose(found, expected[:, :4, :6], atol=1e-3)


@pytest.mark.parametrize(
    ("attributes", "is_folded"),
    [
        ({"strides": [2, 2], "pads": [1, 1, 1, 1]}, True),
        ({"strides": [1, 1], "pads": [1, 1, 1, 1]}, False),
        ({"strides": [2, 2], "pads": [0, 0, 1, 1]}, False),
        ({"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 3}, False),
    ],
)
def test_first_layer_of_bytes_is_folded_if_it_takes_every_other_pixel(
    attributes: dict[str, Any],
    is_folded: bool,  # noqa: FBT001
) -> None:
    graph = Graph("first")
    pixels = graph.add_input("pixels", onnx.TensorProto.UINT8, (1, 3, 8, 12))
    weights = (
        np.random.default_rng(1)
        .normal(size=(6, 1 if "group" in attributes else 3, 3, 3))
        .astype(np.float32)
    )
    x = graph.add_node("Cast", pixels, to=onnx.TensorProto.FLOAT)
    constants = graph.add_constant(weights), graph.add_constant(np.ones(6, np.float32))
    x = graph.add_node("Conv", x, *constants, kernel_shape=[3, 3], **attributes)
    graph.add_node("Relu", x, output="rectified")
    graph.add_output("rectified", (1, 6, "rows", "columns"))
    floats = graph.serialise()
    image = np.random.default_rng(2).integers(0, 256, (1, 3, 8, 12)).astype(np.uint8)
    (expected,) = ort.InferenceSession(floats).run(None, {"pixels": image})
    relu = onnx.load_from_string(floats).graph.node[-1].output[0]
    quantised = quantise_graph(floats, {relu: (0.0, float(expected.max()))})
    operators = {node.op_type for node in onnx.load_from_string(quantised).graph.node}
    assert ("SpaceToDepth" in operators) is is_folded
    (found,) = ort.InferenceSession(quantised).run(None, {"pixels": image})
    assert np.abs(found - expected).max() < 0.02 * expected.max()


def slide_kernels(
    pixels: NDArray[np.float32], kernels: NDArray[np.float32], stride: int
) -> NDArray[np.float32]:
    """Return the convolution (M, h, w) of pixels (C, H, W) with kernels (M, C, K, K)."""
    side = kernels.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(1, 2))
    sums: NDArray[np.float32] = np.einsum(
        "chwyx,mcyx->mhw", windows[:, ::stride, ::stride], kernels
    )
    return sums


def test_rounded_kernels_keep_the_sums_of_each_colour() -> None:
    kernels = fold_kernels(
        np.random.default_rng(3).normal(size=(40, 3, 3, 3)).astype(np.float32) + np.float32(0.3)
    )
    rounded, steps = quantise_weights(kernels)
    kept = keep_channel_sums(rounded, kernels, steps)

    def sum_colours(values: NDArray[Any]) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = values.astype(np.float64).reshape(40, 4, 3, 4).sum(axis=(1, 3))
        return sums

    exact = kernels.astype(np.float64) / steps[:, None, None, None]
    assert np.abs(sum_colours(rounded) - sum_colours(exact)).max() > 1
    assert np.abs(sum_colours(kept) - sum_colours(exact)).max() <= 0.5 + 1e-6
    assert np.abs(kept - exact).max() < 1
    assert np.abs(kept.astype(int)).max() == 127
    assert not kept[kernels == 0].any()


def test_layers_between_the_first_and_the_head_are_rounded() -> None:
    assert find_quantised_tensors(chain(), "rnet") == ["maxpool1", "relu3", "conv4"]


def test_numbers_that_need_no_rounding_stay_what_they_are() -> None:
    ranges = {"maxpool1": (0.0, 255.0), "relu3": (0.0, 255.0), "conv4": (-205.0, 50.0)}
    rounded = quantise_graph(chain(), ranges)
    inputs = np.array([-7, 0, 9, 200], np.float32).reshape(1, 1, 2, 2)
    assert run(rounded, inputs).ravel().tolist() == [23.5, 23.5, 19, -76.5]
    np.testing.assert_array_equal(run(rounded, inputs), run(chain(), inputs))


def test_values_out_of_range_become_its_end() -> None:
    rounded = quantise_graph(chain(), {"maxpool1": (0, 51), "relu3": (0, 255), "conv4": (-205, 50)})
    inputs = np.array([50, 51, 52, 900], np.float32).reshape(1, 1, 2, 2)
    assert run(rounded, inputs).ravel().tolist() == [-1.5, -2, -2, -2]


def test_onnxruntime_does_not_round_before_the_first_pool(tmp_path: Path) -> None:
    rounded = quantise_graph(
        chain(), {"maxpool1": (-10, 245), "relu3": (0, 255), "conv4": (-205, 50)}
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(rounded, options)
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    kinds = [node.op_type for node in nodes]
    assert kinds.index("MaxPool") < kinds.index("QuantizeLinear") < kinds.index("QLinearConv")


def test_a_tensor_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConversionError, match="chain has no tensor conv7, relu9"):
        quantise_graph(chain(), {"relu9": (0, 1), "relu3": (0, 1), "conv7": (0, 1)})


@every_network
def test_the_calibration_has_every_tensor_of_the_graphs(
    spec: NetworkSpec, source_of: Callable[[str], bytes]
) -> None:
    graph = convert_network(spec, source_of(spec.name))
    ranges = calibration.get_ranges(spec.name, graph, calibration.load_calibrations())
    assert sorted(ranges) == sorted(find_quantised_tensors(graph, spec.architecture))


@every_network
def test_a_build_in_8_bits_gives_the_catalogues_bytes_and_the_same_interface(
    spec: NetworkSpec, source_of: Callable[[str], bytes]
) -> None:
    (variant,) = spec.variants
    assert variant.file_name == f"{spec.name}.int8.onnx"
    source = source_of(spec.name)
    rounded, graph = convert_network(variant, source), convert_network(spec, source)
    assert len(rounded) == variant.size_bytes
    sessions = [ort.InferenceSession(content) for content in (graph, rounded)]
    before, after = [
        [(each.name, each.type, each.shape) for each in (*one.get_inputs(), *one.get_outputs())]
        for one in sessions
    ]
    assert before == after


@every_network
def test_most_weights_are_in_8_bits(spec: NetworkSpec, source_of: Callable[[str], bytes]) -> None:
    (variant,) = spec.variants
    arrays = onnx.load_from_string(convert_network(variant, source_of(spec.name))).graph.initializer
    sizes = {"int8": 0, "float": 0}
    for array in arrays:
        kind = "int8" if array.data_type == onnx.TensorProto.INT8 else "float"
        sizes[kind] += int(np.prod(array.dims))
    assert sizes["int8"] > 2 * sizes["float"]


def test_a_graph_that_was_not_calibrated_is_refused(source_of: Callable[[str], bytes]) -> None:
    (variant,) = NETWORKS[0].variants
    other = replace(variant, normalisation=replace(variant.normalisation, offset=0.0))
    with pytest.raises(ConversionError, match=r"front\.onnx with .* is not calibrated; .*calib"):
        convert_network(other, source_of("front"))


@pytest.mark.parametrize("name", ["selfie_360x640.png", "group_640x480.png", "row_960x540.png"])
def test_offered_8_bits_find_the_same_faces(
    name: str, read_image: Callable[[str], LazyImage], source_of: Callable[[str], bytes]
) -> None:
    runtime = OnnxRuntime()

    def faces(model: ModelSpec) -> tuple[Face, ...]:
        def load(spec: NetworkSpec) -> Session:
            return runtime.open(spec, convert_network(spec, source_of(spec.name)))

        detector = DETECTOR_FACTORIES[model.kind](model, load, "half-pixel")
        return detector.detect(read_image(name), DetectOptions(), Stopwatch()).faces

    model = catalog.load_catalog().get_model("mtcnn")
    assert model.with_precision("int8").get_network("onet").precision == "int8"
    before, after = faces(model), faces(model.with_precision("int8"))
    assert len(before) == len(after) > 0
    boxes = np.array([face.box for face in after], np.float32)
    for face in before:
        assert box_iou(np.array(face.box, np.float32), boxes).max() >= 0.8
