"""From a source file's bytes to the ONNX file that the catalogue names."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

import onnx

from phiz.convert.blazeface import convert_blazeface
from phiz.convert.calibration import load as load_calibrations
from phiz.convert.calibration import ranges_of
from phiz.convert.efficientnet import EFFICIENTNET
from phiz.convert.inverted_residual import convert_classifier, convert_features
from phiz.convert.mobilenet import MOBILENET
from phiz.convert.mtcnn import convert_onet, convert_pnet, convert_rnet
from phiz.convert.quantise import quantise
from phiz.convert.tflite_file import read_tflite
from phiz.convert.torch_pickle import read_weights
from phiz.errors import ConversionError
from phiz.models.specs import CLASSIFIERS, Architecture, NetworkCard


def convert(card: NetworkCard, source: bytes) -> bytes:
    """Return the network's ONNX file, equal to the byte wherever it is made.

    Raises:
        ConversionError: The source is not what it is said to be, or gives another file, or is
            wanted in 8 bits and not calibrated.
        CatalogError: The calibration cannot be read.
    """
    data = CONVERTERS[card.architecture](card, source)
    if card.form == "int8":
        ranges = ranges_of(card.name, data, load_calibrations())
        data = quantise(data, ranges, last=card.architecture in CLASSIFIERS)
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise ConversionError(
            f"{card.file} came out with sha256 {found}, not the {card.sha256} of the catalogue "
            f"(onnx {onnx.__version__}); nothing was written"
        )
    return data


SSD_SIZE: Final = 128  # of BlazeFace's front model, which it is timed beside
CONVERTERS: Final[Mapping[Architecture, Callable[[NetworkCard, bytes], bytes]]] = {
    "blazeface": lambda card, source: convert_blazeface(
        read_tflite(source), card.name, card.normalisation
    ),
    "pnet": lambda card, source: convert_pnet(read_weights(source), card.normalisation),
    "rnet": lambda card, source: convert_rnet(read_weights(source), card.normalisation),
    "onet": lambda card, source: convert_onet(read_weights(source), card.normalisation),
    "mobilenet": lambda card, source: convert_classifier(
        read_weights(source), MOBILENET, card.name, card.normalisation
    ),
    "efficientnet": lambda card, source: convert_classifier(
        read_weights(source), EFFICIENTNET, card.name, card.normalisation
    ),
    "ssd": lambda card, source: convert_features(
        read_weights(source), MOBILENET, card.name, card.normalisation, SSD_SIZE
    ),
}
