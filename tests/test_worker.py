from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phiz.detectors import factory as detectors
from phiz.detectors.factory import names
from phiz.engine import Engine, load
from phiz.errors import ModelNotBuiltError, OptionError
from phiz.faces import Detections, DetectOptions
from phiz.image.lazy import Picture
from phiz.image.limits import Limits
from phiz.models import catalog
from phiz.models.specs import Form, NetworkCard
from phiz.runtime import Session
from phiz.runtime.cpu import recommended_form
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.profile import Choice, Profile, processor_name, write_profile
from phiz.runtime.variants import Variant, version_of
from phiz.settings import Settings
from phiz.timings import Stopwatch
from phiz.wire.messages import Stock
from phiz.worker import on_demand, prepare, warm_up

SMALL = Limits(max_bytes=1, max_pixels=1)


@dataclass(slots=True)
class Counting:
    """Finds nothing, and counts how often it was asked to."""

    calls: int = 0

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del picture, options, stopwatch
        self.calls += 1
        return Detections(())


def test_warm_up_runs_every_detector_whatever_the_limits() -> None:
    detectors = {name: Counting() for name in ("front", "auto")}
    seconds = warm_up(Engine(detectors, SMALL))
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

    def open(self, card: NetworkCard, graph: bytes) -> Session:
        self.opened.add(card.name)
        return Noted(card.name, OnnxRuntime().open(card, graph), self.ran)


def test_warm_up_runs_every_network(models_folder: Path) -> None:
    runtime = Noting(set(), set())
    warm_up(load(models_folder, "half-pixel", SMALL, runtime=runtime))
    assert runtime.ran == runtime.opened
    assert {"front", "rnet", "onet"} <= runtime.ran


def test_a_worker_tells_what_it_can_detect_with(
    models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(models_folder))
    monkeypatch.setenv("PHIZ_PROFILE", str(models_folder / "nowhere.json"))
    works, stock, _ = prepare()
    assert list(works) == ["detect", "classify"]
    assert isinstance(stock, Stock)
    assert stock.cards == catalog.load().group("face")
    assert stock.classifiers == catalog.load().group("classify")
    assert stock.folder == models_folder
    default = recommended_form()
    assert stock.default_forms == {"mobilenet": default, "efficientnet": default}
    assert {card.kind for card in stock.cards} <= set(stock.landmarks)
    assert sorted(stock.seconds) == sorted(names(catalog.load()))


def test_a_worker_measures_for_budgets_only_once_it_is_ready(
    models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setenv("PHIZ_MODELS", str(models_folder))
    monkeypatch.setattr(detectors, "measure_costs", lambda *_: measured.append("costs"))
    prepared = prepare()
    assert measured == []
    assert prepared.afterwards is not None
    prepared.afterwards()
    assert measured == ["costs"]


def test_a_worker_tells_the_files_that_it_has_opened(
    profile: Path, int8_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(int8_folder))
    monkeypatch.setenv("PHIZ_RUNTIME", "auto")
    monkeypatch.setenv("PHIZ_PROFILE", str(profile))
    stock = prepare().told
    assert isinstance(stock, Stock)
    cards = {card.name: card for model in stock.cards for card in model.networks}
    assert cards["onet"].file == "onet.int8.onnx"
    assert cards["rnet"].file == "rnet.onnx"


def test_a_worker_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(tmp_path))
    with pytest.raises(ModelNotBuiltError, match="phiz models build"):
        prepare()


def test_a_classifier_is_loaded_once_however_it_is_asked_for(
    built_classifier: Callable[[str], Path],
) -> None:
    load = on_demand(Settings(models=built_classifier("efficientnet")))
    recommended, form = load("efficientnet", None)
    assert form == recommended_form()
    assert list(recommended.loaded) == [("efficientnet", form)]
    again, named = load("efficientnet", form)
    assert (again is recommended, named) == (True, form)


def test_what_is_not_built_is_looked_for_again(
    built_classifier: Callable[[str], Path], tmp_path: Path
) -> None:
    load = on_demand(Settings(models=tmp_path))
    with pytest.raises(ModelNotBuiltError, match="efficientnet int8 is not there to be asked"):
        load("efficientnet", "int8")
    file = "efficientnet.int8.onnx"
    (tmp_path / file).write_bytes((built_classifier("efficientnet") / file).read_bytes())
    assert load("efficientnet", "int8")[1] == "int8"
    with pytest.raises(OptionError, match="the classifier is resnet int8"):
        load("resnet", "int8")


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_without_a_precision_it_is_the_one_that_was_measured_to_be_best_here(
    built_classifier: Callable[[str], Path], tmp_path: Path, form: Form
) -> None:
    (card,) = catalog.load().model("efficientnet").networks
    version = version_of("onnxruntime")
    assert version
    variant = Variant("onnxruntime", form)
    best = Choice(card.in_form(form).sha256, variant, version, 2.8, 5.7)
    profile = tmp_path / "profile.json"
    write_profile(Profile(processor_name(), {"efficientnet": best}), profile)
    load = on_demand(Settings(models=built_classifier("efficientnet"), profile=profile))
    assert load("efficientnet", None)[1] == form
