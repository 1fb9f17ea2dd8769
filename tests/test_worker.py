import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from phiz.detectors import factory as detectors
from phiz.detectors.factory import list_model_names
from phiz.engine import Engine, build_engine
from phiz.errors import ModelNotBuiltError, OptionError
from phiz.faces import Detections, DetectOptions
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.models import catalog
from phiz.models.specs import NetworkSpec, Precision
from phiz.runtime import Session
from phiz.runtime.cpu import recommend_precision
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.profile import Profile, ProfileEntry, get_processor_name, write_profile
from phiz.runtime.select import choose_precisions
from phiz.runtime.variants import Variant, get_version
from phiz.settings import Settings
from phiz.timings import Stopwatch
from phiz.wire.messages import ModelInventory
from phiz.worker import is_batchable, make_classifier_loader, set_up_worker, warm_up_engine
from phiz.workers.protocol import WorkRequest

SMALL = DecodingLimits(max_bytes=1, max_pixels=1)


@dataclass(slots=True)
class Counting:
    """Finds nothing, and counts how often it was asked to."""

    calls: int = 0

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del image, options, stopwatch
        self.calls += 1
        return Detections(())


def test_warm_up_runs_every_detector_whatever_the_limits() -> None:
    detectors = {name: Counting() for name in ("front", "auto")}
    seconds = warm_up_engine(Engine(detectors, SMALL))
    assert list(seconds) == ["front", "auto"]
    assert all(value > 0 for value in seconds.values())
    assert all(detector.calls for detector in detectors.values())


@dataclass(frozen=True, slots=True)
class Noted:
    """A session that notes in a set that it has run."""

    name: str
    session: Session
    ran: set[str]

    def run(self, inputs: Any) -> Any:
        self.ran.add(self.name)
        return self.session.run(inputs)


@dataclass(frozen=True, slots=True)
class Noting:
    """Opens networks that note that they have run."""

    opened: set[str]
    ran: set[str]

    def open(self, spec: NetworkSpec, graph: bytes) -> Session:
        self.opened.add(spec.name)
        return Noted(spec.name, OnnxRuntime().open(spec, graph), self.ran)


def test_warm_up_runs_every_network(models_folder: Path) -> None:
    runtime = Noting(set(), set())
    warm_up_engine(build_engine(models_folder, "half-pixel", SMALL, runtime=runtime))
    assert runtime.ran == runtime.opened
    assert {"front", "rnet", "onet"} <= runtime.ran


def test_a_worker_tells_what_it_can_detect_with(
    models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(models_folder))
    monkeypatch.setenv("PHIZ_PROFILE", str(models_folder / "nowhere.json"))
    handlers, inventory, _, loaders = set_up_worker()
    assert list(loaders) == ["classify"]
    assert list(handlers) == ["detect", "annotate", "crop", "blur", "classify"]
    assert isinstance(inventory, ModelInventory)
    specs = catalog.load_catalog().get_models("face")
    preferred = choose_precisions([network for spec in specs for network in spec.networks])
    assert inventory.specs == tuple(spec.with_precisions(preferred) for spec in specs)
    assert inventory.classifiers == catalog.load_catalog().get_models("classify")
    assert inventory.folder == models_folder
    default = recommend_precision()
    assert inventory.default_precisions == {"mobilenet": default, "efficientnet": default}
    assert {spec.kind for spec in inventory.specs} <= set(inventory.landmarks)
    assert sorted(inventory.warm_up_s) == sorted(list_model_names(catalog.load_catalog()))


def test_a_worker_measures_for_budgets_only_once_it_is_ready(
    models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setenv("PHIZ_MODELS", str(models_folder))
    monkeypatch.setattr(detectors, "measure_step_costs", lambda *_: measured.append("costs"))
    prepared = set_up_worker()
    assert measured == []
    assert prepared.after_ready is not None
    prepared.after_ready()
    assert measured == ["costs"]


def test_a_worker_tells_the_files_that_it_has_opened(
    profile: Path, int8_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(int8_folder))
    monkeypatch.setenv("PHIZ_RUNTIME", "auto")
    monkeypatch.setenv("PHIZ_PROFILE", str(profile))
    inventory = set_up_worker().hello
    assert isinstance(inventory, ModelInventory)
    specs = {spec.name: spec for model in inventory.specs for spec in model.networks}
    assert specs["onet"].file_name == "onet.int8.onnx"
    assert specs["rnet"].file_name == "rnet.onnx"


def test_a_worker_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(tmp_path))
    with pytest.raises(ModelNotBuiltError, match="phiz models build"):
        set_up_worker()


def test_a_classifier_is_loaded_once_however_it_is_asked_for(
    built_classifier: Callable[[str], Path],
) -> None:
    load = make_classifier_loader(Settings(models=built_classifier("efficientnet")))
    recommended = load("efficientnet", None)
    assert (recommended.model, recommended.precision) == ("efficientnet", recommend_precision())
    assert load("efficientnet", recommended.precision) is recommended


def test_missing_classifier_is_looked_for_again(
    built_classifier: Callable[[str], Path], tmp_path: Path
) -> None:
    load = make_classifier_loader(Settings(models=tmp_path))
    with pytest.raises(ModelNotBuiltError, match="efficientnet int8 is not built"):
        load("efficientnet", "int8")
    file = "efficientnet.int8.onnx"
    (tmp_path / file).write_bytes((built_classifier("efficientnet") / file).read_bytes())
    assert load("efficientnet", "int8").precision == "int8"
    with pytest.raises(OptionError, match="the classifier is resnet int8"):
        load("resnet", "int8")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_default_precision_is_the_one_measured_to_be_best(
    built_classifier: Callable[[str], Path], tmp_path: Path, precision: Precision
) -> None:
    (spec,) = catalog.load_catalog().get_model("efficientnet").networks
    version = get_version("onnxruntime")
    assert version
    variant = Variant("onnxruntime", precision)
    best = ProfileEntry(spec.with_precision(precision).sha256, variant, version, 2.8, 5.7)
    profile = tmp_path / "profile.json"
    write_profile(Profile(get_processor_name(), {"efficientnet": best}), profile)
    load = make_classifier_loader(
        Settings(models=built_classifier("efficientnet"), profile=profile)
    )
    assert load("efficientnet", None).precision == precision


@pytest.mark.parametrize(
    ("model", "kind", "size_wh", "expected"),
    [
        pytest.param("front", "JPEG", (2000, 2000), True, id="at-the-limit"),
        pytest.param("front", "JPEG", (2000, 2001), False, id="too-many-pixels"),
        pytest.param("front", "PNG", (8, 8), False, id="decoded-at-full-scale"),
        pytest.param("mtcnn", "JPEG", (8, 8), False, id="pyramid"),
    ],
)
def test_only_small_jpegs_of_single_networks_run_side_by_side(
    model: str, kind: str, size_wh: tuple[int, int], *, expected: bool
) -> None:
    file = io.BytesIO()
    Image.new("L", size_wh).save(file, kind)
    request = WorkRequest(1, "detect", (model, DetectOptions()))
    assert is_batchable(request, file.getvalue()) == expected
