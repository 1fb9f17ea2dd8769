from pathlib import Path

import pytest

from phiz.errors import ModelCorruptError, ModelNotBuiltError
from phiz.lab.study.networks import (
    BuiltNetwork,
    find_networks,
    keep_offered,
    list_complete_models,
    offer_all_precisions,
)
from phiz.models import catalog
from phiz.runtime.variants import REFERENCE_VARIANT, Variant

CATALOG = catalog.load_catalog()
MTCNN = CATALOG.get_model("mtcnn")
EIGHT_BITS = Variant("onnxruntime", "int8")


@pytest.fixture
def floats(models_folder: Path, tmp_path: Path) -> Path:
    """A folder with the float32 files of the face models alone."""
    for spec in (spec for model in CATALOG.get_models("face") for spec in model.networks):
        (tmp_path / spec.file_name).write_bytes(catalog.read_network(spec, models_folder))
    return tmp_path


def list_precisions(networks: list[BuiltNetwork]) -> list[list[str]]:
    return [[*network.specs] for network in networks]


def test_networks_have_the_precisions_that_are_built(floats: Path, int8_folder: Path) -> None:
    assert list_precisions(find_networks([MTCNN], floats)) == [["float32"]] * 3
    found = list_precisions(find_networks([keep_offered(MTCNN)], int8_folder))
    assert found == [["float32"], ["float32"], ["float32", "int8"]]


@pytest.mark.parametrize(
    ("name", "offered"), [("front", False), ("full", True), ("mtcnn", True), ("efficientnet", True)]
)
def test_precisions_are_kept_or_offered_on_request(name: str, *, offered: bool) -> None:
    model = CATALOG.get_model(name)
    assert model.networks[-1].variants
    assert bool(keep_offered(model).networks[-1].variants) == offered
    everything = offer_all_precisions(model)
    assert everything.with_precision("int8").networks[-1].precision == "int8"
    assert (everything == model) == offered


def test_models_are_complete_with_all_networks(floats: Path) -> None:
    models = CATALOG.get_models("face")
    assert list_complete_models(find_networks(models, floats)) == list(models)
    (floats / "rnet.onnx").unlink()
    assert MTCNN not in list_complete_models(find_networks(models, floats))


def test_corrupt_and_missing_files_are_errors(floats: Path) -> None:
    (floats / "full.int8.onnx").write_bytes(b"short")
    (full,) = find_networks([CATALOG.get_model("full")], floats)
    with pytest.raises(ModelCorruptError, match="phiz models build --variants int8"):
        full.open(EIGHT_BITS)
    *_, onet = find_networks([MTCNN], floats)
    (floats / "onet.onnx").unlink()
    with pytest.raises(ModelNotBuiltError, match=r"phiz models build$"):
        onet.read()


def test_variants_begin_with_the_reference_and_8_bits_need_their_file(
    floats: Path, int8_folder: Path
) -> None:
    *_, onet = find_networks([MTCNN], int8_folder)
    assert onet.variants[0] == REFERENCE_VARIANT
    assert EIGHT_BITS in onet.variants
    assert len(onet.read("int8")) == onet.spec.with_precision("int8").size_bytes
    *_, onet = find_networks([MTCNN], floats)
    assert EIGHT_BITS not in onet.variants
