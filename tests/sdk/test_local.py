import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
from PIL import Image as Pillow

import phiz
from phiz.errors import ModelNotBuiltError, OptionError, SettingError, UnsupportedImageError
from phiz.faces import DetectOptions
from phiz.loading import load_engine
from phiz.sdk.local import LocalEngine, get_default_engine
from phiz.settings import Settings
from phiz.timings import STAGES, Stopwatch

PICTURES = Path(__file__).parents[1] / "pictures"
SELFIE, GROUP = PICTURES / "selfie_360x640.png", PICTURES / "group_640x480.png"


@pytest.fixture(scope="module")
def local(models_folder: Path) -> LocalEngine:
    return LocalEngine(Settings(models=models_folder))


def test_path_bytes_and_array_have_the_same_faces(local: LocalEngine) -> None:
    pixels = np.asarray(Pillow.open(GROUP).convert("RGB"))
    by_path = local.detect(GROUP, "mtcnn", details="all")
    assert len(by_path.faces) > 2
    assert by_path == local.detect(GROUP.read_bytes(), "mtcnn", details="all")
    assert by_path == local.detect(pixels, "mtcnn", details="all")
    assert by_path == local.detect(str(GROUP), "mtcnn", details="all")


def test_faces_are_those_of_the_engine_rounded(local: LocalEngine, models_folder: Path) -> None:
    engine, _ = load_engine(Settings(models=models_folder), {"front"})
    (exact,) = engine.detect(SELFIE.read_bytes(), "front", DetectOptions(), Stopwatch()).faces
    (face,) = local.detect(SELFIE, "front").faces
    assert face.box == pytest.approx(exact.box, abs=0.0101)
    assert face.box == tuple(round(side, 2) for side in face.box)
    assert face.score == round(exact.score, 4)
    assert face.model == "front"


def test_time_of_every_stage_is_told(local: LocalEngine) -> None:
    timings = local.detect(SELFIE, "front").timings
    assert list(timings.stages) == list(STAGES)
    assert timings.stages["inference"] > 0
    assert sum(timings.stages.values()) == pytest.approx(timings.total_s)


def test_options_change_the_answer_and_wrong_ones_are_refused(local: LocalEngine) -> None:
    assert len(local.detect(GROUP, "mtcnn", max_faces=1).faces) == 1
    with pytest.raises(OptionError, match="min_score is 2; it must be a number from 0 to 1"):
        local.detect(GROUP, "front", min_score=2)
    with pytest.raises(OptionError, match="model is 'frnt'; it must be one of front, back"):
        local.detect(GROUP, "frnt")
    with pytest.raises(TypeError, match="min_fase"):
        local.detect(GROUP, min_fase=2)  # type: ignore[call-arg]  # on purpose


@pytest.mark.parametrize("call", ["detect", "annotate", "crop", "blur"])
def test_an_unknown_option_is_an_error_of_the_function_that_was_called(call: str) -> None:
    message = (
        rf"^{call}\(\) got an unexpected keyword argument 'min_scor'; did you mean 'min_score'"
    )
    with pytest.raises(TypeError, match=message):
        getattr(phiz, call)(SELFIE, "front", min_scor=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_score": "x"}, "min_score is 'x'; it must be a number from 0 to 1"),
        ({"min_score": [0.5]}, r"min_score is \[0.5\]; it must be a number"),
        ({"min_score": True}, "min_score is True; it must be a number"),
        ({"max_faces": 2.5}, "max_faces is 2.5; it must be a whole number from 1 to 10000"),
        ({"order": 3}, "order is 3; it must be one of score, size"),
        ({"rotate": np.zeros(2)}, r"rotate is array\(\[0., 0.\]\); it must be one of none, auto"),
        ({"model": 3}, "model is 3; it must be one of front"),
        ({"model": ["front"]}, r"model is \['front'\]; it must be one of front"),
    ],
)
@pytest.mark.parametrize("call", ["detect", "annotate", "crop", "blur"])
def test_an_option_of_another_type_is_an_error_of_the_option(
    local: LocalEngine, call: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        getattr(local, call)(SELFIE, **{"model": "front", **options})


def test_numbers_of_numpy_are_numbers(local: LocalEngine) -> None:
    options: dict[str, Any] = {"min_score": np.float32(0.5), "max_faces": np.int64(1)}
    assert len(local.detect(GROUP, "mtcnn", **options).faces) == 1


def test_covered_faces_are_not_found_again(local: LocalEngine) -> None:
    pixels = np.asarray(Pillow.open(GROUP).convert("RGB"))
    covered = local.blur(pixels)
    assert (covered.media_type, covered.face_count) == ("image/png", local.blur(GROUP).face_count)
    assert len(local.detect(GROUP, "centerface").faces) >= 4
    assert not [
        face for face in local.detect(covered.content, "centerface").faces if face.score >= 0.5
    ]


def test_option_that_is_none_has_its_default(local: LocalEngine) -> None:
    nothing: dict[str, Any] = {"min_score": None, "kind": None, "rotate": None}
    plain, same = local.blur(SELFIE, "front"), local.blur(SELFIE, "front", **nothing)
    assert same.content == plain.content
    assert local.detect(SELFIE, "front", max_faces=None).faces  # type: ignore[arg-type]


def test_options_of_images_change_them_and_wrong_ones_are_refused(local: LocalEngine) -> None:
    assert local.annotate(SELFIE, "front", max_faces=1).media_type == "image/jpeg"
    (crop,) = local.crop(SELFIE, "front", size=32, align="eyes").crops
    assert (crop.size, crop.align, crop.face.model) == (32, "eyes", "front")
    for name in ("json", "gif"):
        with pytest.raises(OptionError, match=f"format is '{name}'; it must be one of jpeg"):
            local.annotate(SELFIE, "front", format=name)  # type: ignore[arg-type]  # on purpose
        with pytest.raises(OptionError, match=f"format is '{name}'; it must be one of jpeg"):
            local.blur(SELFIE, "front", format=name)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(OptionError, match="grow is 2; it must be a number from 0 to 1"):
        local.blur(SELFIE, "front", grow=2)
    with pytest.raises(TypeError, match="sise"):
        local.crop(SELFIE, "front", sise=32)  # type: ignore[call-arg]  # on purpose


def test_errors_are_those_of_the_tree(local: LocalEngine) -> None:
    with pytest.raises(UnsupportedImageError):
        local.detect(b"no picture", "front")
    with pytest.raises(FileNotFoundError):
        local.detect("none.jpg", "front")


def test_model_that_is_not_built_is_told_with_what_builds_it_and_found_later(
    models_folder: Path, tmp_path: Path
) -> None:
    local = LocalEngine(Settings(models=tmp_path))
    with pytest.raises(ModelNotBuiltError, match="build the models with: phiz models build"):
        local.detect(SELFIE, "front")
    (tmp_path / "front.onnx").write_bytes((models_folder / "front.onnx").read_bytes())
    assert local.detect(SELFIE, "front").faces


def test_threads_share_an_engine(local: LocalEngine) -> None:
    expected = local.detect(GROUP, "back")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(local.detect(GROUP, "back"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_plain_functions_keep_one_engine_with_the_settings_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, models_folder: Path
) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(models_folder))
    get_default_engine.cache_clear()
    result = phiz.detect(SELFIE, "front")
    assert_type(result, phiz.DetectionResult)  # which a type checker sees through the lazy names
    (face,) = result.faces
    monkeypatch.setenv("PHIZ_MODELS", "/none")
    assert phiz.detect(SELFIE, "front").faces == (face,)
    get_default_engine.cache_clear()
    with pytest.raises(ModelNotBuiltError):
        phiz.detect(SELFIE, "front")
    monkeypatch.setenv("PHIZ_MAX_BYTES", "-1")
    get_default_engine.cache_clear()
    with pytest.raises(SettingError, match="PHIZ_MAX_BYTES"):
        phiz.detect(SELFIE, "front")
    get_default_engine.cache_clear()


def test_classes_are_those_of_the_picture(built_classifier: Callable[[str], Path]) -> None:
    local = LocalEngine(Settings(models=built_classifier("mobilenet")))
    found = local.classify(SELFIE, "mobilenet", precision="float32", top=3)
    assert (found.model, found.precision, len(found.classes)) == ("mobilenet", "float32", 3)
    pixels = np.asarray(Pillow.open(SELFIE).convert("RGB"))
    assert found == local.classify(pixels, "mobilenet", precision="float32", top=3)
    assert found.timings.total_s > 0
    assert local.classify(SELFIE, "mobilenet", top=1).precision in {"float32", "int8"}
    with pytest.raises(OptionError, match="top is 0"):
        local.classify(SELFIE, "mobilenet", top=0)
