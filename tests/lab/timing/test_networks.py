from pathlib import Path

import pytest

from phiz.errors import ModelCorruptError, ModelNotBuiltError
from phiz.lab.timing.networks import (
    find_missing_files,
    list_built_precisions,
    list_variants,
    read_networks,
)
from phiz.models import catalog
from phiz.runtime.variants import REFERENCE_VARIANT, Variant

CATALOG = catalog.load_catalog()
OFFERED = ["full", "mtcnn"]


@pytest.fixture
def floats(models_folder: Path, tmp_path: Path) -> Path:
    """A folder with the float32 files of the face models alone."""
    for spec in (spec for model in CATALOG.get_models("face") for spec in model.networks):
        (tmp_path / spec.file_name).write_bytes(catalog.read_network(spec, models_folder))
    return tmp_path


@pytest.mark.parametrize("name", [model.name for model in CATALOG.get_models("face")])
def test_forms_that_are_offered_are_taken_where_they_are_built(
    name: str, floats: Path, int8_folder: Path
) -> None:
    model = CATALOG.get_model(name)
    assert list_built_precisions(model, floats) == ("float32",)
    expected = ("float32", "int8") if name in OFFERED else ("float32",)
    assert list_built_precisions(model, int8_folder) == expected


def test_what_is_not_built_is_named(floats: Path, int8_folder: Path) -> None:
    models = CATALOG.get_models("face")
    assert find_missing_files(models, "int8", int8_folder) == []
    assert find_missing_files(models, "int8", floats) == ["full.int8.onnx", "onet.int8.onnx"]


def test_networks_are_read_in_the_forms_they_have(floats: Path, int8_folder: Path) -> None:
    model = CATALOG.get_model("mtcnn")
    precisions = [[*network.graphs] for network in read_networks([model], int8_folder)]
    assert precisions == [["float32"], ["float32"], ["float32", "int8"]]
    onet = read_networks([model], int8_folder)[2]
    assert len(onet.graphs["int8"]) == onet.spec.with_precision("int8").size_bytes
    assert [[*network.graphs] for network in read_networks([model], floats)] == [["float32"]] * 3


def test_a_file_that_is_there_must_be_right(floats: Path) -> None:
    (floats / "onet.int8.onnx").write_bytes(b"short")
    with pytest.raises(ModelCorruptError, match="phiz models build --variants int8"):
        read_networks([CATALOG.get_model("mtcnn")], floats)
    (floats / "pnet.onnx").unlink()
    with pytest.raises(ModelNotBuiltError, match=r"phiz models build$"):
        read_networks([CATALOG.get_model("mtcnn")], floats)


def test_the_reference_comes_first_and_8_bits_need_their_file() -> None:
    assert list_variants(["float32", "int8"])[0] == REFERENCE_VARIANT
    eight = Variant("onnxruntime", "int8")
    assert eight in list_variants(["float32", "int8"])
    assert eight not in list_variants(["float32"])
