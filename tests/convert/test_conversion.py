from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from phiz.convert.blazeface import convert_blazeface
from phiz.convert.conversion import convert_network
from phiz.convert.mtcnn import fold_normalisation, fold_softmax
from phiz.convert.tflite_file import Operator, TfliteNetwork, read_tflite
from phiz.errors import CatalogError, ConversionError
from phiz.models.specs import NetworkSpec, Normalisation
from tests.conftest import NETWORKS

every_network = pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
BATCH = 5


@every_network
def test_conversion_is_reproducible(spec: NetworkSpec, source_of: Callable[[str], bytes]) -> None:
    source = source_of(spec.name)
    assert convert_network(spec, source) == convert_network(spec, source)


@every_network
def test_conversion_that_differs_from_the_catalogue_is_refused(
    spec: NetworkSpec, source_of: Callable[[str], bytes]
) -> None:
    other = replace(spec, normalisation=Normalisation(scale=1.0, offset=0.0))
    if other == spec:  # which takes no other normalisation
        other = replace(spec, sha256="0" * 64)
    with pytest.raises(
        ConversionError, match=f"the converted {spec.file_name} has sha256 .*nothing was"
    ):
        convert_network(other, source_of(spec.name))


@pytest.mark.parametrize(
    ("name", "given", "answers"),
    [
        (
            "front",
            ("image", "tensor(uint8)", ["batch", 128, 128, 3]),
            {"regressions": ["batch", 896, 16], "logits": ["batch", 896]},
        ),
        (
            "back",
            ("image", "tensor(uint8)", ["batch", 256, 256, 3]),
            {"regressions": ["batch", 896, 16], "logits": ["batch", 896]},
        ),
        (
            "full",
            ("image", "tensor(uint8)", ["batch", 192, 192, 3]),
            {"regressions": ["batch", 2304, 16], "logits": ["batch", 2304]},
        ),
        (
            "yunet",
            ("pixels", "tensor(uint8)", ["batch", "height", "width", 3]),
            {
                f"stride{stride}": ["batch", 16, f"rows{stride}", f"columns{stride}"]
                for stride in (8, 16, 32)
            },
        ),
        (
            "centerface",
            ("pixels", "tensor(uint8)", ["batch", "height", "width", 3]),
            {"stride4": ["batch", 15, "rows4", "columns4"]},
        ),
        (
            "pnet",
            ("pixels", "tensor(float)", ["batch", "height", "width", 3]),
            {
                "regressions": ["batch", "rows", "columns", 4],
                "probabilities": ["batch", "rows", "columns"],
            },
        ),
        (
            "rnet",
            ("pixels", "tensor(float)", ["batch", 24, 24, 3]),
            {"regressions": ["batch", 4], "probabilities": ["batch"]},
        ),
        (
            "onet",
            ("pixels", "tensor(float)", ["batch", 48, 48, 3]),
            {"regressions": ["batch", 4], "landmarks": ["batch", 5, 2], "probabilities": ["batch"]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_interfaces_are_what_detectors_rely_on(
    session_of: Callable[[str], ort.InferenceSession],
    name: str,
    given: tuple[str, str, list[object]],
    answers: dict[str, list[object]],
) -> None:
    session = session_of(name)
    (found,) = session.get_inputs()
    assert (found.name, found.type, found.shape) == given
    assert {output.name: output.shape for output in session.get_outputs()} == answers
    assert {output.type for output in session.get_outputs()} == {"tensor(float)"}


@every_network
def test_a_batch_equals_its_singles(
    session_of: Callable[[str], ort.InferenceSession], spec: NetworkSpec
) -> None:
    session = session_of(spec.name)
    (given,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 64 for size in given.shape[1:]]
    noise = np.random.default_rng(0).integers(0, 256, (BATCH, *shape), np.uint8)
    batch = noise if given.type == "tensor(uint8)" else noise.astype(np.float32)
    together = session.run(None, {given.name: batch})
    for number in range(BATCH):
        alone = session.run(None, {given.name: batch[number : number + 1]})
        for ours, theirs in zip(together, alone, strict=True):
            # Some runtimes add up a batch in another order.
            limit = 2e-6 * max(1, np.abs(theirs).max())
            np.testing.assert_allclose(ours[number], theirs[0], rtol=0, atol=limit)


@pytest.mark.parametrize(
    ("size_hw", "grid_hw"),
    [((12, 12), (1, 1)), ((13, 14), (2, 2)), ((15, 12), (3, 1)), ((101, 64), (46, 27))],
    ids=str,
)
def test_pnet_takes_any_size(
    session_of: Callable[[str], ort.InferenceSession],
    size_hw: tuple[int, int],
    grid_hw: tuple[int, int],
) -> None:
    pixels = np.full((2, *size_hw, 3), 127.25, np.float32)
    regressions, probabilities = session_of("pnet").run(None, {"pixels": pixels})
    assert regressions.shape == (2, *grid_hw, 4)
    assert probabilities.shape == (2, *grid_hw)


@every_network
def test_transposes_are_those_of_the_picture_and_the_heads_of_grids(
    spec: NetworkSpec, source_of: Callable[[str], bytes]
) -> None:
    model = onnx.load_from_string(convert_network(spec, source_of(spec.name)))
    heads = {"front": 4, "back": 4, "full": 2, "pnet": 1}
    pictures = int(spec.architecture in {"blazeface", "yunet", "centerface"})
    kinds = [node.op_type for node in model.graph.node]
    assert kinds[:1].count("Transpose") == pictures
    assert kinds.count("Transpose") == pictures + heads.get(spec.name, 0)


@pytest.mark.parametrize(
    ("name", "heads"), [("front", [2, 6, 32, 96]), ("back", [2, 6, 32, 96]), ("full", [1, 16])]
)
def test_blazeface_has_whole_blocks_of_channels_from_picture_to_heads(
    name: str, heads: list[int], source_of: Callable[[str], bytes]
) -> None:
    spec = next(spec for spec in NETWORKS if spec.name == name)
    nodes = onnx.load_from_string(convert_network(spec, source_of(name))).graph
    shapes = {array.name: array.dims for array in nodes.initializer}
    first, *others = [shapes[node.input[1]] for node in nodes.node if node.op_type == "Conv"]
    body = others[: -len(heads)]
    assert first[1] == 3
    assert [outputs for outputs, *_ in others[-len(heads) :]] == heads
    assert {outputs % 16 for outputs, *_ in [first, *body]} == {0}
    assert {inputs % 16 for _, inputs, *_ in others if inputs > 1} == {0}  # 1 if depthwise
    assert "Pad" not in {node.op_type for node in nodes.node}


def test_normalisation_is_folded_into_the_first_layer() -> None:
    kernels = np.array([[[[1.0, 2.0]]], [[[3.0, -3.0]]]], np.float32)  # (2, 1, 1, 2)
    folded, biases = fold_normalisation(
        (kernels, np.array([10.0, 20.0], np.float32)), Normalisation(scale=0.5, offset=-1.0)
    )
    assert folded.ravel().tolist() == [0.5, 1.0, 1.5, -1.5]
    assert biases.tolist() == [7.0, 20.0]


@pytest.mark.parametrize("name", ["front", "pnet", "rnet"])
def test_a_face_model_with_a_number_for_each_channel_is_refused(
    name: str, source_of: Callable[[str], bytes]
) -> None:
    (spec,) = [spec for spec in NETWORKS if spec.name == name]
    other = replace(spec, normalisation=Normalisation((1.0, 2.0, 3.0), 0.0))
    with pytest.raises(CatalogError, match="this kind of model takes one number for all channels"):
        convert_network(other, source_of(name))


def test_the_exponential_of_the_difference_is_the_softmax() -> None:
    rng = np.random.default_rng(0)
    matrix, bias = rng.normal(size=(2, 6)).astype(np.float32), np.array([1, -2], np.float32)
    x = rng.normal(size=6)
    powers = np.exp(matrix.astype(np.float64) @ x + bias)
    row, shift = fold_softmax((matrix, bias))
    assert row.shape == (1, 6)
    face = 1 / (1 + np.exp(row.astype(np.float64) @ x + shift))
    assert face[0] == pytest.approx(powers[1] / powers.sum(), abs=1e-6)


CONVOLUTION = {
    "Padding": 0,
    "StrideH": 2,
    "StrideW": 2,
    "DilationHFactor": 1,
    "DilationWFactor": 1,
    "FusedActivationFunction": 0,
}
HALF_PIXEL = {"AlignCorners": 0, "HalfPixelCenters": 1}
KERNELS = np.ones((2, 3, 3, 3), np.float32)


def network(kind: str, options: dict[str, int], constant: NDArray[Any] = KERNELS) -> TfliteNetwork:
    """One operator and no more: from a picture and a constant to something."""
    return TfliteNetwork(
        inputs=(0,),
        outputs=(3,),
        shapes=((1, 8, 8, 3), constant.shape, (2,), (1, 4, 4, 2)),
        constants={1: constant, 2: np.zeros(2, np.float32)},
        operators=(Operator(kind, (0, 1, 2) if "CONV" in kind else (0, 1), (3,), options),),
    )


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (network("SOFTMAX", {}), "the operator SOFTMAX is not supported"),
        (
            network("CONV_2D", CONVOLUTION | {"FusedActivationFunction": 1}),
            "an activation is fused into CONV_2D",
        ),
        (network("CONV_2D", CONVOLUTION | {"DilationHFactor": 2}), "a dilated CONV_2D"),
        (
            network("DEPTHWISE_CONV_2D", CONVOLUTION | {"DepthMultiplier": 2}),
            "more outputs than inputs",
        ),
        (
            network("PAD", {}, np.array([[0, 0], [1, 1], [0, 0], [0, 0]], np.int32)),
            "PAD is supported for channels only",
        ),
        (
            network("PAD", {}, np.array([[0, 0], [0, 0], [0, 0], [1, 0]], np.int32)),
            "PAD is supported for channels only",
        ),
        (
            network("RESIZE_BILINEAR", HALF_PIXEL | {"AlignCorners": 1}),
            "supported with half-pixel centres only",
        ),
        (
            network("RESIZE_BILINEAR", HALF_PIXEL | {"HalfPixelCenters": 0}),
            "supported with half-pixel centres only",
        ),
        (network("CONCATENATION", {"Axis": 3}), "CONCATENATION is supported for anchors only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_operators_that_blazeface_lacks_are_refused(source: TfliteNetwork, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        convert_blazeface(source, "net", Normalisation(1.0, 0.0))


def test_a_file_of_another_format_is_refused() -> None:
    with pytest.raises(ConversionError, match="not a TensorFlow Lite file"):
        read_tflite(b"\x08\x00\x00\x00ONNX, perhaps")


def test_damaged_file_is_refused(source_of: Callable[[str], bytes]) -> None:
    source = source_of("front")
    for damaged in (source[:8], source[:1000], source[:-90_000]):
        with pytest.raises(ConversionError, match="the TensorFlow Lite file is damaged"):
            read_tflite(damaged)


def test_half_precision_constants_are_widened(source_of: Callable[[str], bytes]) -> None:
    source = read_tflite(source_of("front"))
    assert source.shapes[source.inputs[0]] == (1, 128, 128, 3)
    first = source.operators[0]
    assert first.kind == "CONV_2D"
    kernels = source.constants[first.inputs[1]]
    assert kernels.shape == (24, 5, 5, 3)
    assert kernels.dtype == np.float32
    assert np.array_equal(kernels, kernels.astype(np.float16))
    assert all(operator.kind != "DEQUANTIZE" for operator in source.operators)
