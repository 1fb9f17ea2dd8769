import pytest

from phiz.wire.schemas import ClassifyParameters, DetectParameters
from phiz.wire.workload import UNCLEAR_PIXELS, describe_workload
from tests.api.client import encoded

PNG = encoded((60, 40))


def test_pixels_are_those_of_the_header() -> None:
    workload = describe_workload(DetectParameters(model="front"), PNG)
    assert workload == ("front", "other formats", 2400, 1.0, True, "")


@pytest.mark.parametrize("image_bytes", [b"", b"no picture", bytes(1000)])
def test_other_bytes_are_little_work(image_bytes: bytes) -> None:
    assert describe_workload(DetectParameters(), image_bytes).pixels == 0


def test_image_too_large_to_be_decoded_is_little_work() -> None:
    announced = PNG[:16] + (40_000).to_bytes(4) * 2 + PNG[24:]
    assert describe_workload(DetectParameters(), announced).pixels == 0


def test_unclear_size_counts_as_large() -> None:
    workload = describe_workload(DetectParameters(), PNG[:12])
    assert (workload.pixels, workload.is_size_known) == (UNCLEAR_PIXELS, False)


@pytest.mark.parametrize(
    ("options", "words", "factor"),
    [
        pytest.param({"model": "back", "rotate": "auto"}, "rotate", 4, id="rotate"),
        pytest.param({"model": "back", "passes": 2}, "passes", 2, id="passes"),
        pytest.param({"model": "mtcnn", "passes": 2}, "", 1, id="passes-of-mtcnn"),
        pytest.param({"model": "mtcnn", "min_face": 10}, "min_face 4", 4, id="small-faces"),
        pytest.param({"model": "mtcnn", "min_face": 1}, "min_face 1", 16, id="smallest-faces"),
        pytest.param({"model": "mtcnn", "min_face": 80}, "min_face 7", 1, id="large-faces"),
        pytest.param({"model": "back", "min_face": 80}, "", 1, id="min-face-of-back"),
        pytest.param({"model": "yunet", "input_size": 512}, "input_size 10", 1, id="small-input"),
        pytest.param(
            {"model": "yunet", "input_size": 1536}, "input_size 11", 2.25, id="large-input"
        ),
        pytest.param({"model": "back", "input_size": 1536}, "", 1, id="input-size-of-back"),
        pytest.param({"model": "yunet", "passes": 2}, "", 1, id="passes-of-yunet"),
        pytest.param({"model": "yunet", "budget_ms": 50}, "budget_ms 6", 1, id="budget-of-yunet"),
        pytest.param({"budget_ms": 50}, "budget_ms 6", 1, id="budget"),
        pytest.param({"budget_ms": 60}, "budget_ms 6", 1, id="similar-budget"),
        pytest.param({"max_faces": 3, "min_score": 0.1}, "", 1, id="others"),
    ],
)
def test_options_that_change_the_time_are_told_apart(
    options: dict[str, object], words: str, factor: float
) -> None:
    workload = describe_workload(DetectParameters.model_validate(options), PNG)
    assert workload.options == "other formats" + (f", {words}" if words else "")
    assert workload.factor == factor


def test_options_of_a_classification_change_nothing() -> None:
    workload = describe_workload(ClassifyParameters(model="mobilenet", top=3), PNG)
    assert workload == ("mobilenet", "other formats", 2400, 1.0, True, "")
