from pathlib import Path

import numpy as np
import pytest

from phiz.errors import UnsupportedImageError
from phiz.image.decode import decode_image
from phiz.image.formats import ImageFormat, sniff_format
from phiz.image.heif import read_heif_header
from phiz.image.jpeg_header import read_jpeg_header
from phiz.image.limits import DecodingLimits
from phiz.image.properties import DESCRIBE, Properties, describe_heic, describe_jpeg, describe_tiff
from phiz.image.tiff import find_full_page
from phiz.image.varieties import VARIETIES, is_in

from .corpus.bmp_cases import list_bmp_cases
from .corpus.coded_cases import list_avif_cases, list_heic_cases, list_jpeg_cases, list_web_cases
from .corpus.picture import Case
from .corpus.png_cases import list_png_cases
from .corpus.tiff_cases import list_tiff_cases

# Small pictures that users reported, drawn from photographs in the public domain.
CASES = Path(__file__).parent / "cases"
LIMITS = DecodingLimits(10**7, 10**7)
CORPUS = [
    *list_tiff_cases(),
    *list_png_cases(),
    *list_bmp_cases(),
    *list_jpeg_cases(),
    *list_web_cases(),
    *list_avif_cases(),
    *list_heic_cases(),
]
READ = [case for case in CORPUS if not isinstance(case.answer, str)]
REFUSED = [case for case in CORPUS if isinstance(case.answer, str)]


def test_corpus_has_many_varieties_and_each_has_its_name() -> None:
    assert len({case.name for case in CORPUS}) == len(CORPUS)
    assert len({case.image_bytes for case in CORPUS}) == len(CORPUS) >= 400
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in READ])
def test_accepted_variety_has_the_pixels_of_the_second_decoder(case: Case) -> None:
    assert not isinstance(case.answer, str)
    image = decode_image(case.image_bytes, LIMITS).astype(np.float64)
    expected = case.answer.decode(case.image_bytes)
    assert image.shape == expected.shape
    assert np.abs(image - expected).max() <= 1 + case.is_lossy + case.is_cut


def describe(image_bytes: bytes) -> tuple[ImageFormat, Properties]:
    """The format and the properties of a file."""
    image_format = sniff_format(image_bytes)
    assert image_format is not None
    if image_format == "JPEG":
        return image_format, describe_jpeg(read_jpeg_header(image_bytes))
    if image_format == "TIFF":
        return image_format, describe_tiff(image_bytes, find_full_page(image_bytes))
    if image_format == "HEIC":
        header = read_heif_header(image_bytes)
        assert header is not None
        return image_format, describe_heic(header)
    return image_format, DESCRIBE[image_format](image_bytes)


def test_every_value_of_the_table_is_compared() -> None:
    described = [describe(case.image_bytes) for case in READ]
    for image_format, varieties in VARIETIES.items():
        for number, variety in enumerate(varieties):
            compared = [
                properties
                for name, properties in described
                if name == image_format and is_in(properties.items(), variety)
            ]
            for name, values in variety.items():
                missing = set(values) - {properties[name] for properties in compared}
                assert not missing, (image_format, number, name)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in REFUSED])
def test_refused_variety_is_named(case: Case) -> None:
    assert isinstance(case.answer, str)
    with pytest.raises(UnsupportedImageError) as caught:
        decode_image(case.image_bytes, LIMITS)
    assert case.answer in str(caught.value)
    assert len(str(caught.value)) < 220


@pytest.mark.parametrize(
    ("name", "twin", "tolerance"),
    [
        pytest.param("grey16_miniswhite.tif", "grey16_minisblack.tif", 0, id="white-is-zero"),
        pytest.param("la_associated.tif", "grey16_minisblack.tif", 1, id="associated-alpha"),
        pytest.param("grey12.tif", "grey16_minisblack.tif", 2, id="twelve-bits"),
        pytest.param("no_eoi.jpg", "with_eoi.jpg", 0, id="no-end-marker"),
    ],
)
def test_reported_picture_equals_its_twin(name: str, twin: str, tolerance: int) -> None:
    image, expected = (
        decode_image((CASES / file).read_bytes(), LIMITS).astype(int) for file in (name, twin)
    )
    assert np.abs(image - expected).max() <= tolerance


def test_reported_avif_with_a_general_brand_is_read() -> None:
    image = decode_image((CASES / "avif_major_miaf.avif").read_bytes(), LIMITS)
    expected = decode_image((CASES / "with_eoi.jpg").read_bytes(), LIMITS)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 5
