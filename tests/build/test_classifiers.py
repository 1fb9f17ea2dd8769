from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

from phiz import catalog
from phiz.build import calibration
from phiz.build.classifier import add_picture
from phiz.build.conversion import convert
from phiz.build.efficientnet import convert_efficientnet
from phiz.build.graph import Graph
from phiz.build.mobilenet import convert_features, convert_mobilenet
from phiz.build.parity import compare
from phiz.build.quantise import rounded_tensors
from phiz.build.tflite_file import Operator, TfliteNetwork, read_tflite
from phiz.cards import Form, NetworkCard, Normalisation
from phiz.classifiers import FORMS, softmax
from phiz.errors import ConversionError
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


@every_classifier
def test_a_converted_classifier_agrees_with_the_slow_one(
    card: NetworkCard, classifier_source: Source
) -> None:
    source = classifier_source(card)
    picture = np.asarray(Image.open(PICTURES / "selfie_360x640.png").convert("RGB"))
    (found,) = compare(card, convert(card, source), source, [picture])
    assert (found.output, found.numbers) == ("logits", 5000)
    assert found.agrees


def test_mobilenet_answers_what_its_own_runtime_answers(classifier_source: Source) -> None:
    (card,) = [card for card in CLASSIFIERS if card.name == "mobilenet"]
    source = classifier_source(card)
    interpreter = Interpreter(model_content=source, num_threads=1)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    session = ort.InferenceSession(convert(card, source))
    for path in sorted(PICTURES.glob("*.png")):
        image = np.asarray(Image.open(path).convert("RGB").resize((224, 224)))[None]
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        theirs = interpreter.get_tensor(answer["index"])[0, 1:] / 256  # without "background"
        (logits,) = session.run(None, {"image": image})
        # The file rounds every tensor to 8 bits, and float32 none.
        assert np.abs(softmax(logits[0]) - theirs).max() < 0.2
        assert logits[0].argmax() in np.argsort(-theirs, kind="stable")[:5]


def test_an_ssds_features_agree_with_the_slow_ones(classifier_source: Source) -> None:
    (mobilenet,) = [card for card in CLASSIFIERS if card.name == "mobilenet"]
    (card,) = catalog.load().model("mobilenet-ssd").networks
    source = classifier_source(mobilenet)
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


@pytest.mark.parametrize(
    ("normalisation", "zero"),
    [
        (Normalisation(0.5, -63.5), 127),
        (Normalisation(2 / 255, -254 / 255), 127),
        (Normalisation(1.0, 0.0), 0),
    ],
    ids=str,
)
def test_a_normalisation_is_a_step_and_a_zero(normalisation: Normalisation, zero: int) -> None:
    graph = Graph("picture")
    add_picture(graph, 2, normalisation)
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    graph.add("Identity", "dequantizelinear1", output="y")
    graph.output("y", ("batch", 3, 2, 2))
    (found,) = ort.InferenceSession(graph.serialise()).run(None, {"image": image})
    expected = (image.astype(np.float64).transpose(0, 3, 1, 2) - zero) * normalisation.scale
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("offset", [-0.5, 1.0, -256.0], ids=str)
def test_a_normalisation_without_a_whole_zero_is_refused(offset: float) -> None:
    with pytest.raises(ConversionError, match="no whole number"):
        add_picture(Graph("picture"), 2, Normalisation(1.0, offset))


def test_weights_that_are_missing_are_named() -> None:
    with pytest.raises(ConversionError, match=r"net: the file has no weights '_conv_stem\.weight'"):
        convert_efficientnet({}, "net", Normalisation(1.0, 0.0))


CONVOLUTION = {
    "Padding": 0,
    "StrideH": 1,
    "StrideW": 1,
    "DilationHFactor": 1,
    "DilationWFactor": 1,
    "FusedActivationFunction": 0,
}


def network(kind: str, options: dict[str, int], constant: NDArray[np.generic]) -> TfliteNetwork:
    """One operator and no more: from a picture and a constant to something."""
    return TfliteNetwork(
        inputs=(0,),
        outputs=(3,),
        shapes=((1, 8, 8, 3), constant.shape, (2,), (1, 8, 8, 2)),
        constants={1: constant, 2: np.zeros(2, np.float32)},
        operators=(Operator(kind, (0, 1, 2) if "CONV" in kind else (0, 1), (3,), options),),
    )


KERNELS = np.ones((2, 3, 3, 3), np.float32)


def test_features_are_mobilenets_alone() -> None:
    with pytest.raises(ConversionError, match="without a layer of stride 2 or a MEAN"):
        convert_features(network("CONV_2D", CONVOLUTION, KERNELS), "n", Normalisation(1, 0), 128)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (network("RELU", {}, KERNELS), "the operator RELU is not known"),
        (
            network("CONV_2D", CONVOLUTION | {"FusedActivationFunction": 1}, KERNELS),
            "the activation number 1 is not known",
        ),
        (network("ADD", {"FusedActivationFunction": 3}, KERNELS), "an activation is fused into AD"),
        (network("MEAN", {}, np.array([1, 3], np.int32)), "a MEAN over anything but rows"),
    ],
    ids=["operator", "activation", "add", "mean"],
)
def test_what_mobilenet_does_not_hold_is_refused(source: TfliteNetwork, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        convert_mobilenet(source, "net", Normalisation(1.0, 0.0))


def test_whole_numbers_become_what_they_stand_for(classifier_source: Source) -> None:
    (card,) = [card for card in CLASSIFIERS if card.name == "mobilenet"]
    source = read_tflite(classifier_source(card))
    first = next(operator for operator in source.operators if operator.kind == "CONV_2D")
    kernels = source.array(first.inputs[1])
    assert kernels.shape == (32, 3, 3, 3)
    assert kernels.dtype == np.float32
    rows = kernels.reshape(32, -1)
    rows = rows[rows.any(axis=1)]  # some filters were pruned
    assert len(rows) > 16
    parts = rows / np.abs(rows).max(axis=1, keepdims=True) * 127  # the largest is 127 steps
    np.testing.assert_allclose(parts, np.rint(parts), atol=1e-3)
