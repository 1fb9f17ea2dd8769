"""Every row of the error table, by the wrong request that it describes, sent with curl."""

import base64
import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from PIL import Image

from phiz.api.error_table import ERRORS_BY_CODE
from tests.api.doubles import command
from tests.api.fetch.conftest import PAGES
from tests.api.fetch.server import serving

from .doubled import doubled
from .running import (
    ONE,
    SELFIE,
    Running,
    children,
    curl,
    environment,
    running,
    wait_for,
)

pytestmark = [pytest.mark.integration, pytest.mark.needs("curl")]

LIMITS: Final = {
    "PHIZ_MAX_BYTES": "200000",
    "PHIZ_MAX_PIXELS": "300000",
    "PHIZ_BODY_TIMEOUT": "1",
    "PHIZ_LOG_REQUESTS": "none",
}
PNG: Final = ("-H", "content-type: image/png")
# Code: what curl sends to which path, and a word of the remedy.
WRONG_REQUESTS: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "empty_image": ("/detect", ("-F", "image=@empty"), "content of the file"),
    "undecodable_image": ("/detect", ("-F", "image=@cut.png"), "complete file"),
    "malformed_body": (
        "/detect",
        ("-H", "content-type: multipart/form-data", "--data-binary", "@face.png"),
        "leave the header Content-Type to the client",
    ),
    "missing_image": ("/detect", ("-F", "image=face.png"), "write @"),
    "malformed_request": ("/healthz", ("-H", "Host:"), "send one with the name"),
    "not_found": ("/detect/", ("-F", "image=@face.png"), "did you mean /detect?"),
    "study_missing": ("/study", (), "phiz study"),
    "method_not_allowed": ("/detect", (), "use POST"),
    "body_too_slow": (
        "/detect",
        ("--limit-rate", "10k", "--data-binary", "@face.png", *PNG),
        "smaller image",
    ),
    "too_many_bytes": ("/detect", ("-F", "image=@large"), "smaller image"),
    "too_many_pixels": ("/detect", ("-F", "image=@wide.png"), "smaller image"),
    "unsupported_image": ("/detect", ("-F", "image=@page.html"), "send one of JPEG, PNG"),
    "unsupported_content_coding": (
        "/detect",
        ("--data-binary", "@face.png", *PNG, "-H", "content-encoding: gzip"),
        "without compression",
    ),
    "bad_range": ("/docs/swagger-ui.css", ("-H", "range: bytes=x"), "send no Range"),
    "url_disabled": (
        "/detect?url=https://images.example.org/face.jpg",
        ("-X", "POST"),
        "PHIZ_URL_HOSTS",
    ),
    "not_acceptable": (
        "/detect",
        ("-F", "image=@face.png", "-H", "accept: image/tiff"),
        "the option format",
    ),
    "bad_option": ("/detect?size=1", ("-F", "image=@face.png"), "the options are model"),
    "upgrade_required": ("/stream", (), "ws://"),
    "foreign_origin": (
        "/stream",
        (
            *("-H", "connection: upgrade", "-H", "upgrade: websocket"),
            *("-H", "sec-websocket-version: 13", "-H", "origin: https://evil.example"),
            *("-H", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="),
        ),
        "PHIZ_CORS_ORIGINS",
    ),
    "head_too_large": ("/healthz", ("-H", "x: " + "y" * 70_000), "shorter headers"),
    "unsupported_transfer_coding": (
        "/detect",
        ("-F", "image=@face.png", "-H", "transfer-encoding: gzip"),
        "chunked alone",
    ),
    "overloaded": (
        "/detect/batch?model=mtcnn",
        (*16 * ("-F", "image=@small.jpg"), "-H", "phiz-deadline: 0.05"),
        "try again",
    ),
    "too_much_work": (
        "/detect?model=mtcnn",
        ("-F", "image=@large.webp", "-H", "phiz-deadline: 0.01"),
        "smaller image",
    ),
    "model_not_built": ("/classify", ("-F", "image=@face.png"), "phiz models build"),
    "model_corrupt": (
        "/classify?model=mobilenet&precision=float32",
        ("-F", "image=@face.png"),
        "phiz models build",
    ),
    "deadline_exceeded": (
        "/detect?model=mtcnn",
        ("-F", "image=@face.png", "-H", "phiz-deadline: 0.0001"),
        "smaller image",
    ),
}
# Other mistakes that are frequent: the same, and the status.
MISTAKES: Final = {
    "data-instead-of-form": ("/detect", ("-d", "@face.png"), 415, "use -F image=@face.jpg"),
    "data-instead-of-binary": ("/detect", ("-d", "@face.png", *PNG), 400, "--data-binary"),
    "json": ("/detect", ("--json", '{"image": "face.png"}'), 400, "bytes of the file in base64"),
    "json-by-d": ("/detect", ("-d", '{"image": "eA=="}'), 415, "curl: --json"),
    "base64-file": ("/detect", ("-F", "image=@face.base64"), 415, "base64 text; decode it"),
    "data-url": ("/detect", ("-F", "image=<face.url"), 415, "the part after the comma"),
    "no-such-check": ("/health", (), 404, "did you mean /healthz?"),
}
# Code: the path of an address that a service may fetch from, curl's other arguments, and a word of
# the remedy.
FETCHES: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "url_not_allowed": ("/to-http", (), "send the image itself"),
    "url_unreachable": ("/face.png", (), "check the address"),
    "url_bad_answer": ("/missing", (), "the status 404, not 200"),
    "url_too_slow": ("/silent", ("-H", "phiz-deadline: 0.3"), "send the image itself"),
}
# Code: what curl sends to the interface of another server, and its answer there.
FOREIGN: Final[Mapping[str, tuple[str, tuple[str, ...], Mapping[str, object]]]] = {
    "no_face": (
        "/api/v1/detection/detect",
        ("-F", "file=@narrow.png"),
        {"message": "No face is found in the given image", "code": 28},
    ),
    "not_supported": (
        "/v1/vision/face/list",
        ("-X", "POST"),
        {
            "success": False,
            "error": "phiz has the face detection of this interface alone, POST /v1/vision/face; it"
            " knows no persons and no other objects",
            "code": 501,
        },
    ),
    "unknown_model": (
        "/v2/models/resnet",
        (),
        {
            "error": "there is no model 'resnet'; the models are front, back, full, mtcnn, yunet,"
            " centerface, auto"
        },
    ),
}
# Refusals of a service with keys and rates, which tests/service/test_access.py asks for.
REFUSALS: Final = {"invalid_api_key", "missing_scope", "rate_exceeded"}
# Failures that no request can cause in a service that is well: see the tests below.
FAILURES: Final = {"internal", "worker_died", "not_ready", "out_of_memory"}
# Half a head, which curl does not send: test_connections.py does.
INCOMPLETE: Final = {"head_too_slow"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "empty").write_bytes(b"")
    (folder / "large").write_bytes(bytes(300_000))
    # 16383 x 3000 pixels
    (folder / "large.webp").write_bytes(
        bytes.fromhex("524946461a000000574542505650384c0e0000002ffeffed02071011fd0f4444ff03")
    )
    (folder / "page.html").write_text("<!doctype html><title>Not found</title>")
    (folder / "cut.png").write_bytes(SELFIE.read_bytes()[:1000])
    shutil.copy(SELFIE, folder / "face.png")
    Image.open(SELFIE).resize((90, 160)).save(folder / "small.jpg")
    encoded = base64.encodebytes((folder / "small.jpg").read_bytes())
    (folder / "face.base64").write_bytes(encoded)
    (folder / "face.url").write_bytes(b"data:image/jpeg;base64," + encoded)
    Image.new("1", (1000, 1000)).save(folder / "wide.png")
    Image.new("RGB", (13, 40)).save(folder / "narrow.png")
    return folder


@pytest.fixture(scope="module")
def models(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built models with one classifier, whose file is short."""
    folder = tmp_path_factory.mktemp("models")
    for file in models_folder.glob("*.onnx"):
        if not file.name.startswith(("efficientnet", "mobilenet")):
            shutil.copy(file, folder)
    (folder / "mobilenet.onnx").write_bytes(b"short")
    return folder


@pytest.fixture(scope="module")
def strict(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with low limits."""
    log = tmp_path_factory.mktemp("strict") / "log"
    with running(ONE, environment(models, **LIMITS), log) as service:
        yield service


def send(service: Running, files: Path, path: str, *arguments: str) -> tuple[int, str, str]:
    """Status, code and detail of the answer to curl, with the files of a folder after each @."""
    status, problem = curl(*locate(files, arguments), f"{service.url}{path}")
    return status, problem["code"], problem["detail"]


def locate(files: Path, arguments: Iterable[str]) -> Iterator[str]:
    return (re.sub("^@|(?<==)[@<]", rf"\g<0>{files}/", argument) for argument in arguments)


def test_every_row_has_its_request() -> None:
    expected = {*WRONG_REQUESTS, *FETCHES, *FOREIGN, *REFUSALS, *FAILURES, *INCOMPLETE}
    assert expected == ERRORS_BY_CODE.keys()


@pytest.mark.parametrize("code", WRONG_REQUESTS)
def test_wrong_request_gets_code_and_remedy(strict: Running, files: Path, code: str) -> None:
    path, arguments, remedy = WRONG_REQUESTS[code]
    log = strict.log.read_text()
    status, told, detail = send(strict, files, path, *arguments)
    assert (status, told) == (ERRORS_BY_CODE[code].status, code)
    assert remedy in detail
    # A wrong request writes no line, but a broken model is the operator's.
    assert (strict.log.read_text() == log) == (code != "model_corrupt")


@pytest.mark.parametrize("code", FOREIGN)
def test_wrong_request_to_another_interface_gets_its_form(
    strict: Running, files: Path, code: str
) -> None:
    path, arguments, expected = FOREIGN[code]
    status, answer = curl(*locate(files, arguments), f"{strict.url}{path}")
    assert (status, answer) == (ERRORS_BY_CODE[code].status, expected)


def test_fetch_that_fails_gets_code_and_remedy(models: Path, tmp_path: Path) -> None:
    with serving(str(tmp_path / "authority.pem"), PAGES) as hosts:
        allowed = {
            "PHIZ_URL_HOSTS": f"localhost:{hosts.port},localhost:1",
            "SSL_CERT_FILE": hosts.authority,
        }
        with running(ONE, environment(models, **allowed), tmp_path / "log") as service:
            for code, (path, arguments, remedy) in FETCHES.items():
                port = 1 if code == "url_unreachable" else hosts.port  # where nothing listens
                query = f"url=https://localhost:{port}{path}"
                status, problem = curl("-X", "POST", *arguments, f"{service.url}/detect?{query}")
                assert (status, problem["code"]) == (ERRORS_BY_CODE[code].status, code)
                assert remedy in problem["detail"]
            assert service.log.read_text() == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_frequent_mistake_gets_remedy(strict: Running, files: Path, mistake: str) -> None:
    path, arguments, expected, remedy = MISTAKES[mistake]
    status, _, detail = send(strict, files, path, *arguments)
    assert status == expected
    assert remedy in detail
    assert strict.log.read_text().count("\n") <= 1  # of the broken model


@pytest.mark.parametrize(
    ("double", "image", "code"),
    [("broken", "face.png", "internal"), ("dying", "narrow.png", "worker_died")],
)
def test_failing_worker_gets_its_code(
    models: Path, files: Path, tmp_path: Path, double: str, image: str, code: str
) -> None:
    program = doubled(command(double))
    with running(program, environment(models), tmp_path / "log") as service:
        status, told, _ = send(service, files, "/detect", "-F", f"image=@{image}")
    assert (status, told) == (500, code)


def test_service_without_workers_is_not_ready(
    models_folder: Path, files: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models_folder, folder)
    with running(ONE, environment(folder), tmp_path / "log") as service:
        (folder / "back.onnx").unlink()
        (worker,) = children(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: service.metric("phiz_workers") == 0)
        wait_for(lambda: curl(f"{service.url}/models")[0] == 503)
        status, told, detail = send(service, files, "/detect", "-F", "image=@face.png")
    assert (status, told) == (503, "not_ready")
    assert "try again" in detail
