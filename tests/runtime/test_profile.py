import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import SettingError
from phiz.models.specs import NetworkSpec
from phiz.runtime import profile as module
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.openvino import OpenVinoRuntime
from phiz.runtime.profile import (
    Profile,
    ProfileEntry,
    find_mismatches,
    get_processor_name,
    open_profiled_runtime,
    read_profile,
    update_profile,
    write_profile,
)
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version

from .conftest import SPECS

BF16 = Variant("openvino", "bf16")


def choice(spec: NetworkSpec, variant: Variant = BF16) -> ProfileEntry:
    version = get_version(variant.runtime)
    assert version
    return ProfileEntry(spec.sha256, variant, version, 0.7, 1.2)


@pytest.fixture
def profile(spec: NetworkSpec) -> Profile:
    return Profile(get_processor_name(), {"front": choice(spec)})


def test_written_profile_is_read_again(profile: Profile, tmp_path: Path) -> None:
    write_profile(profile, tmp_path / "profile.json")
    assert read_profile(tmp_path / "profile.json") == profile
    assert [path.name for path in tmp_path.iterdir()] == ["profile.json"]


def test_profile_of_this_machine_has_no_mismatches(profile: Profile, spec: NetworkSpec) -> None:
    assert list(find_mismatches(profile, [spec])) == []


@pytest.mark.parametrize(
    ("change", "mismatch"),
    [
        pytest.param({"sha256": "0" * 64}, "measured with other contents of front.onnx", id="file"),
        pytest.param({"version": "2020.1"}, "but 2020.1 was measured", id="version"),
    ],
)
def test_changed_network_is_a_mismatch(
    profile: Profile, spec: NetworkSpec, change: dict[str, Any], mismatch: str
) -> None:
    changed = replace(profile, networks={"front": replace(choice(spec), **change)})
    (found,) = find_mismatches(changed, [spec])
    assert mismatch in found


def test_8_bits_are_of_another_file(profile: Profile) -> None:
    spec = SPECS["onet"]
    variant = spec.with_precision("int8")
    chosen = choice(variant, Variant("onnxruntime", "int8"))
    both = replace(profile, networks={**profile.networks, "onet": chosen})
    assert both.precisions == {"front": "float32", "onet": "int8"}
    assert list(find_mismatches(both, [spec])) == []
    stale = replace(both, networks={"onet": replace(chosen, sha256=spec.sha256)})
    assert list(find_mismatches(stale, [spec])) == [
        "it was measured with other contents of onet.int8.onnx"
    ]


def test_profile_of_another_processor_is_stale(profile: Profile, spec: NetworkSpec) -> None:
    (found,) = find_mismatches(replace(profile, processor="a 6502"), [spec])
    assert found == f"it was measured on a 6502, but this is {get_processor_name()}"


def test_network_that_the_profile_lacks_is_a_mismatch(profile: Profile, spec: NetworkSpec) -> None:
    (found,) = find_mismatches(profile, [spec, replace(spec, name="side")])
    assert found == "it lacks side.onnx"


def test_networks_measured_in_different_versions_are_a_mismatch(
    profile: Profile, spec: NetworkSpec
) -> None:
    side = replace(spec, name="side")
    for first, second in (("front", "side"), ("side", "front")):
        old, new = replace(choice(spec), version="2020.1"), choice(spec)
        mixed = replace(profile, networks={first: old, second: new})
        (flaw,) = find_mismatches(mixed, [spec, side])
        assert "but 2020.1 was measured" in flaw


def test_missing_runtime_is_a_mismatch(
    profile: Profile, spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "get_version", lambda _: None)
    assert list(find_mismatches(profile, [spec])) == ["openvino is not installed"]


def test_profile_is_followed_for_each_network(spec: NetworkSpec) -> None:
    side = replace(spec, name="side")
    chosen = {"front": choice(spec), "side": choice(side, REFERENCE_VARIANT)}
    followed = open_profiled_runtime(Profile(get_processor_name(), chosen))
    assert followed.runtimes == {"front": OpenVinoRuntime("bf16"), "side": OnnxRuntime()}
    assert followed.fallback == OnnxRuntime()


def test_a_network_is_opened_in_what_was_chosen(
    profile: Profile, spec: NetworkSpec, models_folder: Path
) -> None:
    graph = (models_folder / "front.onnx").read_bytes()
    followed = open_profiled_runtime(profile)
    assert type(followed.open(spec, graph)).__name__ == "OpenVinoSession"
    other = replace(spec, name="side")
    assert type(followed.open(other, graph)).__name__ == "OnnxSession"


def test_missing_profile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"the profile .*p\.json does not exist; .* phiz bench$"):
        read_profile(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("format", 2, "format is 2; it must be 1"),
        ("networks", {}, "networks is not a table"),
        ("processor", "", "processor is ''"),
        ("more", 1, "unknown entry more"),
        ("networks/front/sha256", "x", r"networks\.front\.sha256 is 'x'"),
        (
            "networks/front/variant/runtime",
            "abacus",
            "'abacus'; it must be one of onnxruntime, openvino",
        ),
        ("networks/front/variant/precision", "int1", "'int1'"),
    ],
)
def test_profile_with_a_wrong_entry_is_refused(
    profile: Profile, tmp_path: Path, path: str, value: object, what: str
) -> None:
    file = tmp_path / "profile.json"
    write_profile(profile, file)
    table = document = json.loads(file.read_text())
    *parents, last = path.split("/")
    for parent in parents:
        table = table[parent]
    table[last] = value
    file.write_text(json.dumps(document))
    with pytest.raises(SettingError, match=what):
        read_profile(file)


def test_file_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("fast")
    with pytest.raises(
        SettingError, match=r"cannot read the profile .*measure again with: phiz bench"
    ):
        read_profile(tmp_path / "p.json")


def test_choices_for_other_networks_stay(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    (choice,) = {*profile.networks.values()}
    update_profile(profile.processor, profile.networks, path)
    update_profile(profile.processor, {"back": choice}, path)
    assert read_profile(path).networks == {**profile.networks, "back": choice}
    update_profile("another", {"full": choice}, path)
    assert read_profile(path) == Profile("another", {"full": choice})
    path.write_text("{")
    update_profile(profile.processor, profile.networks, path)
    assert read_profile(path) == profile


def test_unwritable_profile_is_an_error(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"cannot write .*; choose another file with --profile"):
        write_profile(profile, tmp_path / "nowhere" / "profile.json")
