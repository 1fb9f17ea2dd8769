import shutil
from pathlib import Path

from phiz.image.lazy import LazyImage
from phiz.image.synthetic import draw_crowd
from phiz.lab.study.inference import detect_in_variants, list_model_variants
from phiz.lab.study.networks import find_networks
from phiz.models import catalog
from tests.lab.study.made import BF16, FLOAT32, INT8, OPENVINO

CATALOG = catalog.load_catalog()


def test_model_finds_the_same_faces_in_both_runtimes(models_folder: Path) -> None:
    networks = find_networks([CATALOG.get_model("back")], models_folder)
    images = [LazyImage.from_array(draw_crowd(640, 480, seed)) for seed in range(2)]
    given = detect_in_variants(networks, images)
    assert {FLOAT32, OPENVINO, BF16} <= given.keys()
    for variant, each in given.items():
        assert len(each.answers) == len(each.seconds) == 2
        assert min(each.seconds) > 0
        if variant.precision == "float32":
            assert [len(faces) for faces in each.answers] == [
                len(faces) for faces in given[FLOAT32].answers
            ]
    assert len(given[FLOAT32].answers[0]) > 10


def test_model_in_8_bits_has_the_offered_networks_in_8_bits(
    int8_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(int8_folder, folder)
    networks = find_networks([CATALOG.get_model("mtcnn")], folder)
    variants = list_model_variants(networks)
    assert [spec.precision for spec in variants[INT8].networks] == ["float32", "float32", "int8"]
    assert [spec.precision for spec in variants[BF16].networks] == ["float32"] * 3
    (folder / "onet.int8.onnx").unlink()
    assert INT8 not in list_model_variants(networks)
