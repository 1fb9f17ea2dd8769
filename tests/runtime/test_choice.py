from dataclasses import replace
from pathlib import Path

import pytest

from phiz.cards import NetworkCard
from phiz.errors import SettingError
from phiz.runtime.choice import Chosen, choose
from phiz.runtime.onnx import CPU, OnnxRuntime
from phiz.runtime.openvino import OpenVino
from phiz.runtime.profile import Choice, Profile, Profiled, processor_name, write_profile
from phiz.runtime.variants import Variant, version_of

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
