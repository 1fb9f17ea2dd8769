import pytest

from phiz.api.pictures.negotiation import choose_format
from phiz.api.routes_detect import OPERATIONS
from phiz.errors import NotAcceptableError

BROWSER = "text/html,application/xhtml+xml,image/avif,image/webp,image/apng,*/*;q=0.8"
IMAGE_OF_A_PAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def choose(path: str, *accepts: str, name: str | None = None) -> str:
    headers = [(b"host", b"x"), *((b"accept", accept.encode()) for accept in accepts)]
    return choose_format(OPERATIONS[path].formats, name, headers).name


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "json"),
        ("application/json", "json"),
        ("application/*", "json"),
        ("image/jpeg", "jpeg"),
        ("image/png", "png"),
        ("IMAGE/WebP", "webp"),
        ("image/*", "jpeg"),
        ("image/webp;q=0.5, image/png;q=0.6", "png"),
        ("image/webp ; q=0.5,image/png; Q=0.4", "webp"),
        ("image/png, */*", "json"),
        ("image/png, */*;q=0.1", "png"),
        ("image/png;q=0.2, */*;q=0.3", "json"),
        ("image/*, image/jpeg;q=0", "png"),
        ("image/jpeg;q=0.5, image/*;q=0.4", "jpeg"),
        ("image/jpeg;q=1.000;x=y", "jpeg"),
        ("image/jpeg;profile=a, image/png;q=0.9", "jpeg"),
        (BROWSER, "json"),
        (IMAGE_OF_A_PAGE, "jpeg"),
        ("text/plain", "json"),
        ("application/xml, text/*;q=0.5", "json"),
        ("", "json"),
        ("nonsense", "json"),
        (",,;q=1,", "json"),
        ("application/json;q=0, image/png;q=0.001", "png"),
    ],
)
def test_a_detection_has_the_format_that_is_accepted_most(accept: str, expected: str) -> None:
    assert choose("/detect", accept) == expected


def test_without_the_header_each_route_has_its_default() -> None:
    assert [choose(path) for path in ("/detect", "/crops", "/blur")] == ["json", "zip", ""]


def test_several_headers_are_one_list() -> None:
    assert choose("/detect", "image/png;q=0.5", "image/webp") == "webp"


def test_the_option_counts_before_the_header() -> None:
    assert choose("/detect", "image/tiff", name="png") == "png"
    assert choose("/detect", "image/png", name="json") == "json"


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        ("/crops", "application/zip", "zip"),
        ("/crops", "multipart/*", "multipart"),
        ("/crops", "application/json, */*;q=0.5", "json"),
        ("/crops", "application/*", "zip"),
        ("/blur", "image/*", ""),
        ("/blur", "image/png, image/*;q=0.9", "png"),
        ("/blur", BROWSER, ""),
        ("/blur", "application/json", ""),  # curl's --json sends it
        ("/blur", "nonsense", ""),
    ],
)
def test_other_routes_have_their_own_formats(path: str, accept: str, expected: str) -> None:
    assert choose(path, accept) == expected


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/detect", "image/tiff"),
        ("/detect", "image/avif, image/heic;q=0.5"),
        ("/detect", "image/jpeg;q=0"),
        ("/crops", "image/jpeg"),
        ("/crops", "nonsense"),
        ("/blur", "image/tiff, application/json"),
        ("/blur", "image/*;q=0"),
    ],
)
def test_formats_that_there_are_not_are_refused_with_those_that_there_are(
    path: str, accept: str
) -> None:
    with pytest.raises(NotAcceptableError, match="the answer can be ") as caught:
        choose(path, accept)
    for each in OPERATIONS[path].formats:
        assert each.media_type in str(caught.value)


def test_a_long_header_is_read_up_to_a_limit() -> None:
    many = ", ".join(f"text/x{number}" for number in range(40))
    assert choose("/detect", f"image/png, {many}") == "png"
    assert choose("/detect", f"{many}, image/png") == "json"
