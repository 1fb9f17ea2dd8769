"""Converts a source file to the ONNX file of the catalogue."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

import onnx

from phiz.convert.anchor_free import convert_centerface, convert_yunet
from phiz.convert.architectures import EFFICIENTNET, MOBILENET
from phiz.convert.blazeface import convert_blazeface
from phiz.convert.calibration import get_ranges, load_calibrations
from phiz.convert.inverted_residual import convert_classifier, convert_features
from phiz.convert.mtcnn import convert_onet, convert_pnet, convert_rnet
from phiz.convert.onnx_file import read_onnx
from phiz.convert.quantise import quantise_graph
from phiz.convert.tflite_file import read_tflite
from phiz.convert.torch_pickle import read_weights
from phiz.errors import ConversionError
from phiz.models.specs import CLASSIFIER_ARCHITECTURES, Architecture, NetworkSpec


def convert_network(spec: NetworkSpec, source: bytes) -> bytes:
    """Return the network's ONNX file, with the same bytes on every machine.

    Raises:
        ConversionError: The source is unsupported, gives another file, or lacks the calibration
            for 8 bits.
        CatalogError: The calibration cannot be read.
    """
    onnx_bytes = CONVERTERS[spec.architecture](spec, source)
    if spec.precision == "int8":
        ranges = get_ranges(spec.name, onnx_bytes, load_calibrations())
        onnx_bytes = quantise_graph(
            onnx_bytes, ranges, last=spec.architecture in CLASSIFIER_ARCHITECTURES
        )
    found = hashlib.sha256(onnx_bytes).hexdigest()
    if found != spec.sha256:
        raise ConversionError(
            f"the converted {spec.file_name} has sha256 {found}, not {spec.sha256} as in the "
            f"catalogue (onnx {onnx.__version__}); nothing was written"
        )
    return onnx_bytes


SSD_SIZE: Final = 128  # as BlazeFace's front model, for comparable times
CONVERTERS: Final[Mapping[Architecture, Callable[[NetworkSpec, bytes], bytes]]] = {
    "blazeface": lambda spec, source: convert_blazeface(
        read_tflite(source), spec.name, spec.normalisation
    ),
    "pnet": lambda spec, source: convert_pnet(read_weights(source), spec.normalisation),
    "rnet": lambda spec, source: convert_rnet(read_weights(source), spec.normalisation),
    "onet": lambda spec, source: convert_onet(read_weights(source), spec.normalisation),
    "yunet": lambda spec, source: convert_yunet(read_onnx(source), spec.normalisation),
    "centerface": lambda spec, source: convert_centerface(read_onnx(source), spec.normalisation),
    "mobilenet": lambda spec, source: convert_classifier(
        read_weights(source), MOBILENET, spec.name, spec.normalisation
    ),
    "efficientnet": lambda spec, source: convert_classifier(
        read_weights(source), EFFICIENTNET, spec.name, spec.normalisation
    ),
    "ssd": lambda spec, source: convert_features(
        read_weights(source), MOBILENET, spec.name, spec.normalisation, SSD_SIZE
    ),
}
