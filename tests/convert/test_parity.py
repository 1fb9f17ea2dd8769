from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from phiz.convert.conversion import convert_network
from phiz.lab.accuracy.gates import OutputDifference
from phiz.models.specs import NetworkSpec
from tests.conftest import NETWORKS, PICTURES
from tests.convert.parity import agrees, compare_network
from tests.convert.references import run_mtcnn

COMPARED_OUTPUTS = {
    "blazeface": {"regressions", "probabilities", "all anchors"},
    "yunet": {"stride8", "stride16", "stride32"},
    "centerface": {"stride4"},
}
IMAGES = ("group_640x480.png", "row_960x540.png", "selfie_360x640.png")


@pytest.mark.integration
@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_converted_network_agrees_with_its_original(
    spec: NetworkSpec, source_of: Callable[[str], bytes]
) -> None:
    source = source_of(spec.name)
    images = [np.asarray(Image.open(PICTURES / name).convert("RGB")) for name in IMAGES]
    found = compare_network(spec, convert_network(spec, source), source, images)
    assert found.keys() >= COMPARED_OUTPUTS.get(spec.architecture, {"regressions", "probabilities"})
    assert [name for name, each in found.items() if not agrees(each)] == []


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0.0], True),
        ([1e-6], True),
        ([0.0, 1.1e-6], False),
        ([0.0, float("nan")], False),
        ([], False),
    ],
    ids=["equal", "at the limit", "beyond", "NaN", "nothing compared"],
)
def test_network_agrees_within_the_tolerance(
    differences: list[float],
    expected: bool,  # noqa: FBT001
) -> None:
    assert agrees(OutputDifference(np.array(differences), 1e-6)) is expected


def test_the_reference_pools_and_slopes_as_the_paper_says() -> None:
    """A P-Net that adds up: every convolution takes the middle pixel of one channel."""

    def middle(outputs: int, inputs: int) -> NDArray[np.float32]:
        kernels = np.zeros((outputs, inputs, 3, 3), np.float32)
        kernels[0, 0, 1, 1] = 1
        return kernels

    weights = {
        "conv1.weight": middle(10, 3),
        "conv1.bias": np.zeros(10, np.float32),
        "prelu1.weight": np.full(10, 2, np.float32),
        "conv2.weight": middle(16, 10),
        "conv2.bias": np.zeros(16, np.float32),
        "prelu2.weight": np.full(16, 2, np.float32),
        "conv3.weight": middle(32, 16),
        "conv3.bias": np.zeros(32, np.float32),
        "prelu3.weight": np.full(32, 2, np.float32),
        "conv4_1.weight": middle(2, 32)[:, :, 1:2, 1:2],
        "conv4_1.bias": np.zeros(2, np.float32),
        "conv4_2.weight": middle(4, 32)[:, :, 1:2, 1:2],
        "conv4_2.bias": np.arange(4, dtype=np.float32),
    }
    black = run_mtcnn("pnet", weights, np.zeros((1, 12, 12, 3), np.float32))
    value = 2 * 2 * 2 * -127.5 / 128  # three slopes, each of them beyond 1
    assert black["regressions"].ravel().tolist() == [value, 1, 2, 3]
    assert black["probabilities"].item() == pytest.approx(1 / (1 + np.exp(value)))
    # Of the pooled pixels the middle one of rows and columns 4 and 5 of the convolved is seen.
    pixels = np.zeros((1, 12, 12, 3), np.float32)
    pixels[0, 6, 6, 0] = 255
    assert run_mtcnn("pnet", weights, pixels)["regressions"][0, 0, 0, 0] == 127.5 / 128
