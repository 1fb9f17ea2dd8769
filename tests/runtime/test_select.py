from dataclasses import replace
from pathlib import Path

import pytest

from phiz.errors import SettingError
from phiz.models import catalog
from phiz.models.specs import Form, NetworkCard
from phiz.runtime.cpu import recommended_form
from phiz.runtime.onnx import CPU, OnnxRuntime
from phiz.runtime.openvino import OpenVino
from phiz.runtime.profile import Choice, Profile, Profiled, processor_name, write_profile
from phiz.runtime.select import Chosen, choose, classifier_form
from phiz.runtime.variants import REFERENCE, Variant, version_of

NOWHERE = Path("nowhere.json")


@pytest.fixture
def path(card: NetworkCard, tmp_path: Path) -> Path:
    version = version_of("openvino")
    assert version
    measured = Choice(card.sha256, Variant("openvino", "float32"), version, 0.9, 1.1)
    write_profile(Profile(processor_name(), {"front": measured}), tmp_path / "profile.json")
    return tmp_path / "profile.json"


@pytest.mark.parametrize(
    ("wish", "providers", "expected"),
    [
        ("onnxruntime", (), OnnxRuntime()),
        ("onnxruntime", (CPU,), OnnxRuntime((CPU,))),
        ("openvino", (), OpenVino("float32")),
    ],
)
def test_what_is_named_is_had(
    wish: str, providers: tuple[str, ...], expected: object, card: NetworkCard
) -> None:
    assert choose(wish, providers, NOWHERE, [card]) == Chosen(expected)  # type: ignore[arg-type]


def test_auto_follows_the_profile(path: Path, card: NetworkCard) -> None:
    chosen = choose("auto", (), path, [card])
    profiled = Profiled({"front": OpenVino("float32")}, OnnxRuntime())
    assert chosen == Chosen(profiled, {"front": "float32"})


def test_auto_without_a_profile_says_what_to_do(card: NetworkCard) -> None:
    with pytest.raises(SettingError, match="measure this machine with: phiz bench"):
        choose("auto", (), NOWHERE, [card])


def test_a_stale_profile_is_not_followed_and_one_line_says_why(
    path: Path, card: NetworkCard
) -> None:
    chosen = choose("auto", (), path, [replace(card, sha256="0" * 64)])
    assert chosen.runtime == OnnxRuntime()
    assert chosen.warning
    assert "it was measured with another front.onnx" in chosen.warning
    assert "\n" not in chosen.warning


@pytest.mark.parametrize("wish", ["openvino", "auto"])
def test_providers_are_onnxruntimes(wish: str, path: Path, card: NetworkCard) -> None:
    with pytest.raises(SettingError, match=f"PHIZ_RUNTIME is {wish}"):
        choose(wish, (CPU,), path, [card])  # type: ignore[arg-type]


MOBILENET = catalog.load().model("mobilenet").networks[0]


def measured(form: Form, sha256: str | None = None) -> Choice:
    variant = Variant("onnxruntime", form)
    version = version_of("onnxruntime")
    assert version
    return Choice(sha256 or MOBILENET.in_form(form).sha256, variant, version, 1.0, 2.0)


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_a_classifier_is_run_in_what_was_measured_to_be_best(form: Form, tmp_path: Path) -> None:
    elsewhere = Choice("0" * 64, REFERENCE, "0.1", 1.0, 1.0)
    profile = Profile(processor_name(), {"mobilenet": measured(form), "front": elsewhere})
    write_profile(profile, tmp_path / "profile.json")
    assert classifier_form(tmp_path / "profile.json", MOBILENET) == form


@pytest.mark.parametrize("form", ["float32", "int8"])
@pytest.mark.parametrize(
    ("processor", "networks"),
    [
        pytest.param(None, {}, id="no profile"),
        pytest.param("another", {"mobilenet": None}, id="another machine"),
        pytest.param("", {"front": None}, id="of faces alone"),
        pytest.param("", {"mobilenet": "0" * 64}, id="another file"),
    ],
)
def test_without_a_measurement_the_processor_decides(
    form: Form, processor: str | None, networks: dict[str, str | None], tmp_path: Path
) -> None:
    if processor is not None:
        choices = {name: measured(form, sha256) for name, sha256 in networks.items()}
        write_profile(Profile(processor or processor_name(), choices), tmp_path / "profile.json")
    assert classifier_form(tmp_path / "profile.json", MOBILENET) == recommended_form()
