from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image

from phiz.classifiers import FORMS
from phiz.convert import calibration
from phiz.convert.classifier import add_picture
from phiz.convert.conversion import convert
from phiz.convert.efficientnet import EFFICIENTNET
from phiz.convert.graph import Graph
from phiz.convert.inverted_residual import NetworkSpec, convert_classifier, convert_features
from phiz.convert.mobilenet import MOBILENET
from phiz.convert.quantise import rounded_tensors
from phiz.convert.torch_pickle import read_weights
from phiz.errors import ConversionError
from phiz.lab.accuracy.parity import compare
from phiz.models import catalog
from phiz.models.specs import Form, NetworkCard, Normalisation
from tests.conftest import CLASSIFIERS, PICTURES

every_classifier = pytest.mark.parametrize("card", CLASSIFIERS, ids=lambda card: card.name)


Source = Callable[[NetworkCard], bytes]


@every_classifier
@pytest.mark.parametrize("form", FORMS)
def test_interfaces_are_what_classifiers_rely_on(
    card: NetworkCard, form: Form, classifier_source: Source
) -> None:
    wanted = card.in_form(form)
    data = convert(wanted, classifier_source(card))
    assert len(data) == wanted.size_bytes
    session = ort.InferenceSession(data)
    (given,), (output,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type) == ("image", "tensor(uint8)")
    assert given.shape == ["batch", 224, 224, 3]
    assert (output.name, output.type) == ("logits", "tensor(float)")
    assert output.shape == ["batch", 1000]


@every_classifier
def test_another_result_than_the_catalogues_is_refused(
    card: NetworkCard, classifier_source: Source
) -> None:
    other = replace(card, normalisation=Normalisation(scale=1.0, offset=-3.0))
    with pytest.raises(ConversionError, match=f"{card.file} came out with sha256"):
        convert(other, classifier_source(card))


@pytest.mark.integration
@every_classifier
def test_a_converted_classifier_agrees_with_the_slow_one(
    card: NetworkCard, classifier_source: Source
) -> None:
    source = classifier_source(card)
    picture = np.asarray(Image.open(PICTURES / "selfie_360x640.png").convert("RGB"))
    (found,) = compare(card, convert(card, source), source, [picture])
    assert (found.output, found.numbers) == ("logits", 5000)
    assert found.agrees


def test_an_ssds_features_agree_with_the_slow_ones(classifier_source: Source) -> None:
    (card,) = catalog.load().model("mobilenet-ssd").networks
    source = classifier_source(card)
    picture = np.asarray(Image.open(PICTURES / "selfie_360x640.png").convert("RGB"))
    found = compare(card, convert(card, source), source, [picture])
    numbers = {each.output: each.numbers for each in found}
    assert numbers == {"stride16": 5 * 576 * 8 * 8, "stride32": 5 * 1280 * 4 * 4}
    assert all(each.agrees for each in found)


@every_classifier
def test_the_calibration_has_every_tensor_of_the_graph(
    card: NetworkCard, classifier_source: Source
) -> None:
    graph = convert(card, classifier_source(card))
    ranges = calibration.ranges_of(card.name, graph, calibration.load())
    assert sorted(ranges) == sorted(rounded_tensors(graph, card.architecture))


@every_classifier
def test_weights_are_in_8_bits_but_for_the_first_two_layers(
    card: NetworkCard, classifier_source: Source
) -> None:
    rounded = onnx.load_from_string(convert(card.in_form("int8"), classifier_source(card)))
    kinds = {array.name: array.data_type for array in rounded.graph.initializer}
    layers = [node for node in rounded.graph.node if node.op_type in {"Conv", "Gemm"}]
    is_float = [kinds.get(node.input[1]) == onnx.TensorProto.FLOAT for node in layers]
    assert is_float == [True, True] + [False] * (len(layers) - 2)


def normalise(normalisation: Normalisation, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a graph makes of images (N, 2, 2, 3)."""
    graph = Graph("picture")
    add_picture(graph, 2, normalisation)
    graph.add("Identity", "dequantizelinear1", output="y")
    graph.output("y", ("batch", 3, 2, 2))
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
    (card,) = catalog.load().model("mobilenet").networks
    image = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 3), np.uint8)
    mean, deviation = np.array([124, 116, 104]) / 255, np.array([0.229, 0.224, 0.225])
    expected = ((image / 255 - mean) / deviation).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(normalise(card.normalisation, image), expected, rtol=0, atol=1e-6)
    (features,) = catalog.load().model("mobilenet-ssd").networks
    assert features.normalisation == card.normalisation


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
        add_picture(Graph("picture"), 2, normalisation)


@pytest.mark.parametrize(
    ("spec", "missing"),
    [(EFFICIENTNET, r"_conv_stem\.weight"), (MOBILENET, r"features\.0\.0\.weight")],
    ids=["efficientnet", "mobilenet"],
)
def test_weights_that_are_missing_are_named(spec: NetworkSpec, missing: str) -> None:
    complaint = f"net: the file has no weights '{missing}'"
    with pytest.raises(ConversionError, match=complaint):
        convert_classifier({}, spec, "net", Normalisation(1.0, 0.0))
    with pytest.raises(ConversionError, match=complaint):
        convert_features({}, spec, "net", Normalisation(1.0, 0.0), 128)


def test_the_last_weights_that_are_missing_are_named(classifier_source: Source) -> None:
    (card,) = catalog.load().model("mobilenet").networks
    weights = dict(read_weights(classifier_source(card)))
    del weights["classifier.1.bias"]
    with pytest.raises(
        ConversionError, match=r"net: the file has no weights 'classifier\.1\.bias'"
    ):
        convert_classifier(weights, MOBILENET, "net", Normalisation(1.0, 0.0))
