from dataclasses import replace
from pathlib import Path

import pytest

from phiz.errors import SettingError
from phiz.models import catalog
from phiz.models.specs import NetworkSpec, Precision
from phiz.runtime.cpu import recommend_precision
from phiz.runtime.onnx import CPU_PROVIDER, OnnxRuntime
from phiz.runtime.openvino import OpenVinoRuntime
from phiz.runtime.profile import (
    Profile,
    ProfiledRuntime,
    ProfileEntry,
    get_processor_name,
    write_profile,
)
from phiz.runtime.select import (
    SelectedRuntime,
    choose_precisions,
    select_classifier_precision,
    select_runtime,
)
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version

NOWHERE = Path("nowhere.json")


@pytest.fixture
def path(spec: NetworkSpec, tmp_path: Path) -> Path:
    version = get_version("openvino")
    assert version
    measured = ProfileEntry(spec.sha256, Variant("openvino", "float32"), version, 0.9, 1.1)
    write_profile(Profile(get_processor_name(), {"front": measured}), tmp_path / "profile.json")
    return tmp_path / "profile.json"


@pytest.mark.parametrize(
    ("wish", "providers", "expected"),
    [
        ("onnxruntime", (), OnnxRuntime()),
        ("onnxruntime", (CPU_PROVIDER,), OnnxRuntime((CPU_PROVIDER,))),
        ("openvino", (), OpenVinoRuntime("float32")),
    ],
)
def test_named_runtime_is_used(
    wish: str, providers: tuple[str, ...], expected: object, spec: NetworkSpec
) -> None:
    assert select_runtime(wish, providers, NOWHERE, [spec]) == SelectedRuntime(expected)  # type: ignore[arg-type]


def test_auto_follows_the_profile(path: Path, spec: NetworkSpec) -> None:
    chosen = select_runtime("auto", (), path, [spec])
    profiled = ProfiledRuntime({"front": OpenVinoRuntime("float32")}, OnnxRuntime())
    assert chosen == SelectedRuntime(profiled, {"front": "float32"})


def test_auto_without_a_profile_says_what_to_do(spec: NetworkSpec) -> None:
    with pytest.raises(SettingError, match="measure this machine with: phiz bench"):
        select_runtime("auto", (), NOWHERE, [spec])


def test_a_stale_profile_is_not_followed_and_one_line_says_why(
    path: Path, spec: NetworkSpec
) -> None:
    chosen = select_runtime("auto", (), path, [replace(spec, sha256="0" * 64)])
    assert chosen.runtime == OnnxRuntime()
    assert chosen.warning
    assert "it was measured with other contents of front.onnx" in chosen.warning
    assert "\n" not in chosen.warning


@pytest.mark.parametrize("wish", ["openvino", "auto"])
def test_providers_are_onnxruntimes(wish: str, path: Path, spec: NetworkSpec) -> None:
    with pytest.raises(SettingError, match=f"PHIZ_RUNTIME is {wish}"):
        select_runtime(wish, (CPU_PROVIDER,), path, [spec])  # type: ignore[arg-type]


MOBILENET = catalog.load_catalog().get_model("mobilenet").networks[0]


def measured(precision: Precision, sha256: str | None = None) -> ProfileEntry:
    variant = Variant("onnxruntime", precision)
    version = get_version("onnxruntime")
    assert version
    return ProfileEntry(
        sha256 or MOBILENET.with_precision(precision).sha256, variant, version, 1.0, 2.0
    )


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_classifier_is_run_in_what_was_measured_to_be_best(
    precision: Precision, tmp_path: Path
) -> None:
    elsewhere = ProfileEntry("0" * 64, REFERENCE_VARIANT, "0.1", 1.0, 1.0)
    profile = Profile(get_processor_name(), {"mobilenet": measured(precision), "front": elsewhere})
    write_profile(profile, tmp_path / "profile.json")
    assert select_classifier_precision(tmp_path / "profile.json", MOBILENET) == precision


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(
    ("processor", "networks"),
    [
        pytest.param(None, {}, id="no profile"),
        pytest.param("another", {"mobilenet": None}, id="another machine"),
        pytest.param("", {"front": None}, id="of faces alone"),
        pytest.param("", {"mobilenet": "0" * 64}, id="another file"),
    ],
)
def test_processor_decides_without_a_measurement(
    precision: Precision, processor: str | None, networks: dict[str, str | None], tmp_path: Path
) -> None:
    if processor is not None:
        choices = {name: measured(precision, sha256) for name, sha256 in networks.items()}
        write_profile(
            Profile(processor or get_processor_name(), choices), tmp_path / "profile.json"
        )
    assert (
        select_classifier_precision(tmp_path / "profile.json", MOBILENET) == recommend_precision()
    )


@pytest.mark.parametrize(
    ("recommended", "precisions"),
    [("int8", {"onet": "int8", "centerface": "int8"}), ("float32", {})],
)
def test_preferred_form_runs_where_the_processor_has_instructions_for_it(
    recommended: Precision, precisions: dict[str, Precision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phiz.runtime.select.recommend_precision", lambda: recommended)
    networks = [
        each for model in catalog.load_catalog().get_models("face") for each in model.networks
    ]
    assert choose_precisions(networks) == precisions
    assert select_runtime("onnxruntime", (), NOWHERE, networks).precisions == precisions
    assert select_runtime("onnxruntime", (CPU_PROVIDER,), NOWHERE, networks).precisions == {}
    exact = select_runtime("onnxruntime", (), NOWHERE, networks, reference=True)
    assert exact.precisions == {}
