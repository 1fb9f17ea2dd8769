from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image

from phiz.classifiers import CLASSIFIER_PRECISIONS
from phiz.convert import calibration
from phiz.convert.architectures import EFFICIENTNET, MOBILENET
from phiz.convert.conversion import convert_network
from phiz.convert.graph import Graph
from phiz.convert.inverted_residual import (
    ArchitectureSpec,
    add_image_input,
    convert_classifier,
    convert_features,
)
from phiz.convert.quantise import find_quantised_tensors
from phiz.convert.torch_pickle import read_weights
from phiz.errors import ConversionError
from phiz.models import catalog
from phiz.models.specs import NetworkSpec, Normalisation, Precision
from tests.conftest import CLASSIFIERS, PICTURES
from tests.convert.parity import agrees, compare_network

every_classifier = pytest.mark.parametrize("spec", CLASSIFIERS, ids=lambda spec: spec.name)


Source = Callable[[NetworkSpec], bytes]


@every_classifier
@pytest.mark.parametrize("precision", CLASSIFIER_PRECISIONS)
def test_interfaces_are_what_classifiers_rely_on(
    spec: NetworkSpec, precision: Precision, classifier_source: Source
) -> None:
    wanted = spec.with_precision(precision)
    content = convert_network(wanted, classifier_source(spec))
    assert len(content) == wanted.size_bytes
    session = ort.InferenceSession(content)
    (given,), (output,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type) == ("image", "tensor(uint8)")
    assert given.shape == ["batch", 224, 224, 3]
    assert (output.name, output.type) == ("logits", "tensor(float)")
    assert output.shape == ["batch", 1000]


@every_classifier
def test_conversion_that_differs_from_the_catalogue_is_refused(
    spec: NetworkSpec, classifier_source: Source
) -> None:
    other = replace(spec, normalisation=Normalisation(scale=1.0, offset=-3.0))
    with pytest.raises(ConversionError, match=f"the converted {spec.file_name} has sha256"):
        convert_network(other, classifier_source(spec))


@pytest.mark.integration
@every_classifier
def test_a_converted_classifier_agrees_with_the_slow_one(
    spec: NetworkSpec, classifier_source: Source
) -> None:
    source = classifier_source(spec)
    image = np.asarray(Image.open(PICTURES / "selfie_360x640.png").convert("RGB"))
    ((output, found),) = compare_network(
        spec, convert_network(spec, source), source, [image]
    ).items()
    assert (output, found.differences.size) == ("logits", 5000)
    assert agrees(found)


def test_an_ssds_features_agree_with_the_slow_ones(classifier_source: Source) -> None:
    (spec,) = catalog.load_catalog().get_model("mobilenet-ssd").networks
    source = classifier_source(spec)
    image = np.asarray(Image.open(PICTURES / "selfie_360x640.png").convert("RGB"))
    found = compare_network(spec, convert_network(spec, source), source, [image])
    numbers = {name: each.differences.size for name, each in found.items()}
    assert numbers == {"stride16": 5 * 576 * 8 * 8, "stride32": 5 * 1280 * 4 * 4}
    assert all(map(agrees, found.values()))


@every_classifier
def test_the_calibration_has_every_tensor_of_the_graph(
    spec: NetworkSpec, classifier_source: Source
) -> None:
    graph = convert_network(spec, classifier_source(spec))
    ranges = calibration.get_ranges(spec.name, graph, calibration.load_calibrations())
    assert sorted(ranges) == sorted(find_quantised_tensors(graph, spec.architecture))


@every_classifier
def test_weights_are_in_8_bits_but_for_the_first_two_layers(
    spec: NetworkSpec, classifier_source: Source
) -> None:
    rounded = onnx.load_from_string(
        convert_network(spec.with_precision("int8"), classifier_source(spec))
    )
    kinds = {array.name: array.data_type for array in rounded.graph.initializer}
    layers = [node for node in rounded.graph.node if node.op_type in {"Conv", "Gemm"}]
    is_float = [kinds.get(node.input[1]) == onnx.TensorProto.FLOAT for node in layers]
    assert is_float == [True, True] + [False] * (len(layers) - 2)


def normalise(normalisation: Normalisation, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a graph makes of images (N, 2, 2, 3)."""
    graph = Graph("picture")
    add_image_input(graph, 2, normalisation)
    graph.add_node("Identity", "dequantizelinear1", output="y")
    graph.add_output("y", ("batch", 3, 2, 2))
    (found,) = ort.InferenceSession(graph.serialise()).run(None, {"image": image})
    return np.asarray(found)


@pytest.mark.parametrize(
    ("normalisation", "zero", "scale"),
    [
        (Normalisation(0.5, -63.5), 127, 0.5),
        (Normalisation(2 / 255, -254 / 255), 127, 2 / 255),
        (Normalisation(1.0, 0.0), 0, 1),
        (Normalisation((1.0, 0.5, 0.25), (-255.0, -1.0, 0.0)), (255, 2, 0), (1, 0.5, 0.25)),
        (Normalisation((1.0, 0.5, 0.25), 0.0), 0, (1, 0.5, 0.25)),
        (Normalisation(2.0, (0.0, -2.0, -4.0)), (0, 1, 2), 2),
    ],
    ids=str,
)
def test_a_normalisation_is_a_step_and_a_zero(
    normalisation: Normalisation, zero: Any, scale: Any
) -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    expected = ((image.astype(np.float64) - zero) * scale).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(normalise(normalisation, image), expected, rtol=1e-6)


def test_mobilenets_normalisation_is_imagenets_with_whole_means() -> None:
    (spec,) = catalog.load_catalog().get_model("mobilenet").networks
    image = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 3), np.uint8)
    mean, deviation = np.array([124, 116, 104]) / 255, np.array([0.229, 0.224, 0.225])
    expected = ((image / 255 - mean) / deviation).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(normalise(spec.normalisation, image), expected, rtol=0, atol=1e-6)
    (features,) = catalog.load_catalog().get_model("mobilenet-ssd").networks
    assert features.normalisation == spec.normalisation


@pytest.mark.parametrize(
    ("normalisation", "pixels"),
    [
        (Normalisation(1.0, -0.5), "0.5"),
        (Normalisation(1.0, 1.0), "-1"),
        (Normalisation(1.0, -256.0), "256"),
        (Normalisation(1.0, (0.0, -0.25, -2.0)), "0, 0.25, 2"),
        (Normalisation((2.0, 1.0, 1.0), -255.0), "127.5, 255, 255"),
    ],
    ids=str,
)
def test_a_normalisation_without_a_whole_zero_is_refused(
    normalisation: Normalisation, pixels: str
) -> None:
    with pytest.raises(ConversionError, match=f"makes 0 of a pixel of {pixels}; it must be a wh"):
        add_image_input(Graph("picture"), 2, normalisation)


@pytest.mark.parametrize(
    ("spec", "missing"),
    [(EFFICIENTNET, r"_conv_stem\.weight"), (MOBILENET, r"features\.0\.0\.weight")],
    ids=["efficientnet", "mobilenet"],
)
def test_weights_that_are_missing_are_named(spec: ArchitectureSpec, missing: str) -> None:
    complaint = f"net: the file has no weights '{missing}'"
    with pytest.raises(ConversionError, match=complaint):
        convert_classifier({}, spec, "net", Normalisation(1.0, 0.0))
    with pytest.raises(ConversionError, match=complaint):
        convert_features({}, spec, "net", Normalisation(1.0, 0.0), 128)


def test_the_last_weights_that_are_missing_are_named(classifier_source: Source) -> None:
    (spec,) = catalog.load_catalog().get_model("mobilenet").networks
    weights = dict(read_weights(classifier_source(spec)))
    del weights["classifier.1.bias"]
    with pytest.raises(
        ConversionError, match=r"net: the file has no weights 'classifier\.1\.bias'"
    ):
        convert_classifier(weights, MOBILENET, "net", Normalisation(1.0, 0.0))
