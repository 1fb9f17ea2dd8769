"""Commands, answers, names and links of the documentation, held against the program."""

import base64
import io
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import click
import error_table
import httpx
import pytest
from PIL import Image

from phiz.api.compat.compreface import ComprefaceParameters
from phiz.api.compat.deepstack import DeepstackParameters
from phiz.api.content.upload import IMAGE_FIELDS
from phiz.cli.main import main
from phiz.settings import Settings
from phiz.wire.picture_schemas import BlurParameters, CropParameters, DetectImageParameters
from phiz.wire.schemas import ClassifyParameters, DetectParameters, Parameters
from tests.image.corpus.heif_file import encode_heic
from tests.service.running import SERVE, Running, environment, running

from .pages import IS_UNPACKED_SDIST, LEFT_OUT, PAGES, ROOT, Block, Page

BLOCKS = [block for page in PAGES.values() for block in page.blocks]
COMMANDS = [
    pytest.param(line, id=f"{block}: {line[:40]}") for block in BLOCKS for line in block.commands
]
LANGUAGES = {"", "sh", "js", "python", "json", "text", "toml", "yaml"}
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
# The service is started by a fixture; the rest takes minutes, and tests/release does it.
RUN_ELSEWHERE = re.compile(r"make |python3 -m venv|/tmp/phiz/bin/")
MADE = ("benchmarks/.peers", "models/built")  # by commands, and not kept
ROUTES = {
    *(
        "/",
        "/stream",
        "/detect",
        "/detect/batch",
        "/crops",
        "/blur",
        "/classify",
        "/models",
        "/study",
    ),
    *("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"),
    *("/v1/vision/face", "/v1/status/ping", "/api/v1/detection/detect"),
    *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}"),
    *("/v2/models/{model}/ready", "/v2/models/{model}/versions/{version}"),
    "/v2/models/{model}/versions/{version}/ready",
}
PARAMETERS: Mapping[str, type[Parameters]] = {
    "/detect": DetectImageParameters,
    "/crops": CropParameters,
    "/blur": BlurParameters,
    "/classify": ClassifyParameters,
    "/v1/vision/face": DeepstackParameters,
    "/api/v1/detection/detect": ComprefaceParameters,
}
SETTINGS = {
    *(f"PHIZ_{name.upper()}" for name in Settings.model_fields),
    *("PHIZ_HOST", "PHIZ_PORT", "PHIZ_MODEL_FILES", "PHIZ_TEST_ALL"),
    *re.findall(r"PHIZ_\w+", (ROOT / ".env.example").read_text("utf-8")),
}


@pytest.fixture(scope="module")
def service(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("documents") / "log"
    with running([*SERVE, "--workers", "1"], environment(models_folder), log) as service:
        yield service


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES
    if block.language == "sh":
        lines = block.text.replace("\\\n", " ").splitlines()
        assert [line for line in lines if line and not line.startswith("#")] == block.commands


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_of_the_program(command: str) -> None:
    words = shlex.split(command, comments=True)
    while re.match(r"[A-Z_]+=", words[0]):
        name, _, _ = words.pop(0).partition("=")
        assert not name.startswith("PHIZ_") or name in SETTINGS
    program, *arguments = words
    checks = {"phiz": check_phiz, "make": check_make, "curl": check_curl, "python": check_python}
    name = Path(program).name
    if name in checks:
        # What follows is another command, or where the output goes.
        ends = [place for place, word in enumerate(arguments) if word in {">", "|", "&&"}]
        checks[name](arguments[: ends[0]] if ends else arguments)


def check_phiz(arguments: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        assert found is not None, arguments[0]
        command, arguments = found, arguments[1:]
        context = click.Context(command, parent=context)
    given, _, _ = command.make_parser(context).parse_args(list(arguments))
    choices = {option.name: option.type for option in command.params}
    for name, value in given.items():
        kind = choices[name]
        if isinstance(kind, click.Choice) and isinstance(value, str):
            assert value in kind.choices


def check_make(arguments: list[str]) -> None:
    for target in arguments:
        if "=" not in target:
            assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE), target


def check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m" and arguments[1].startswith(("benchmarks", "fuzzing", "phiz")):
        module = arguments[1].replace(".", "/")
        folder = ROOT / "service" if module.startswith("phiz") else ROOT
        assert (folder / f"{module}.py").exists() or (folder / module / "__main__.py").exists()
    elif arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).exists(), arguments[0]


def check_curl(arguments: list[str]) -> None:
    places = r"(http://)?(localhost|127\.0\.0\.1):8000|https://localhost:8443"
    (url,) = [word for word in arguments if re.match(places, word)]
    parts = urlsplit(url if re.match("https?://", url) else f"//{url}")
    assert parts.path in ROUTES
    parameters = PARAMETERS.get(parts.path, DetectParameters)
    fields = [field for flag, field in pairwise(arguments) if flag == "-F"]
    names = {field.partition("=")[0] for field in fields} | {
        name for name, _ in parse_qsl(parts.query)
    }
    assert names <= {"url", *IMAGE_FIELDS, *parameters.model_fields}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links:
        path, _, anchor = link.partition("#")
        is_left_out = IS_UNPACKED_SDIST and LEFT_OUT.match_file(path)
        assert (ROOT / path).exists() or is_left_out, link
        assert not anchor or anchor in PAGES[path].anchors, link


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_files_and_settings_that_are_named_exist(page: Page) -> None:
    folders = "benchmarks|deploy|docs|models|requirements|service|tests"
    for code in page.code:
        for path in re.findall(rf"^/?((?:{folders})/[\w./-]+)$", code):
            places = (ROOT / path, ROOT / "service" / "phiz" / path)
            assert path.startswith(MADE) or any(place.exists() for place in places), path
    assert {*re.findall(r"PHIZ_[A-Z_]*[A-Z]", page.text)} <= SETTINGS


def shape(value: Any) -> Any:
    """The keys of a decoded answer, at every depth; of a list, those of the first entry."""
    if isinstance(value, Mapping):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else None


@pytest.mark.integration
@pytest.mark.needs("curl")
@pytest.mark.parametrize("name", ["README.md", "docs/quickstart.md"])
def test_commands_of_the_first_pages_run_and_answer_as_shown(
    name: str, service: Running, models_folder: Path
) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment(models_folder, PATH=path)
    answer, ran, compared = "", 0, 0
    for block in PAGES[name].blocks:
        for command in block.commands:
            if RUN_ELSEWHERE.match(command):
                continue
            line = command.replace("localhost:8000", service.url).replace(".venv/bin/", "")
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                cwd=ROOT,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert '"code"' not in done.stdout
            answer, ran = done.stdout, ran + 1
        if block.language == "json":
            assert shape(json.loads(block.text)) == shape(json.loads(answer))
            compared += 1
    assert ran > 1
    assert compared == 1


@pytest.mark.integration
def test_answers_of_the_reference_have_the_keys_of_real_ones(service: Running) -> None:
    picture = (ROOT / "tests" / "pictures" / "selfie_360x640.png").read_bytes()
    classify = httpx.get(f"{service.url}/openapi.json").json()["paths"]["/classify"]["post"]
    blocks = [block for block in PAGES["docs/http.md"].blocks if block.language == "json"]
    for block in blocks:
        shown = json.loads(block.text)
        if "classes" in shown:  # the models need not be built; tests/service compares the example
            real = classify["responses"]["200"]["content"]["application/json"]["example"]
        elif "transform" in shown:
            archive = httpx.post(f"{service.url}/crops?align=eyes", files={"image": picture})
            with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
                real = json.loads(files.read("faces.json"))["faces"][0]["crop"]
        else:
            field = "selfie" if shown.get("code") == "missing_image" else "image"
            real = httpx.post(f"{service.url}/detect", files={field: picture}).json()
        assert shape(shown) == shape(real), str(block)
    assert len(blocks) > 2


def list_ways() -> list[list[str]]:
    """The rows of the table of ways to send an image: name, curl, and Python."""
    text = PAGES["docs/http.md"].text.partition("| way | curl | Python |\n|---|---|---|\n")[2]
    rows = text.partition("\n\n")[0].splitlines()
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in rows]


@pytest.fixture(scope="module")
def faces(service: Running, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with the files of the table, and the faces of the picture in them."""
    folder = tmp_path_factory.mktemp("ways")
    picture = Image.open(ROOT / "tests" / "pictures" / "row_960x540.png").convert("RGB")
    picture.save(folder / "face.jpg", quality=95)
    # Of what a JPEG shows, so that the files differ by their formats alone.
    shown = Image.open(folder / "face.jpg")
    (folder / "face.heic").write_bytes(encode_heic(shown, quality=-1, chroma=444))
    text = base64.encodebytes((folder / "face.jpg").read_bytes()).decode()
    (folder / "face.json").write_text(json.dumps({"image": text}))
    answer = httpx.post(f"{service.url}/detect", content=(folder / "face.jpg").read_bytes())
    return folder, answer.json()["faces"]


@pytest.mark.integration
@pytest.mark.needs("curl")
@pytest.mark.parametrize("way", list_ways(), ids=lambda way: way[0])
def test_each_way_to_send_an_image_gives_the_same_faces(
    service: Running, faces: tuple[Path, Any], way: list[str]
) -> None:
    folder, expected = faces
    _, command, expression = way
    line = command.replace("localhost:8000", service.url)
    program = f"import base64, httpx; url = {service.url + '/detect'!r}; print({expression}.text)"
    assert len(expected) == 6
    for arguments in (["/bin/sh", "-c", line], [sys.executable, "-c", program]):
        ran = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True)
        found = json.loads(ran.stdout)["faces"]
        assert len(found) == len(expected)
        by_place = [sorted(each, key=lambda face: face["box"]["x"]) for each in (found, expected)]
        for face, other in zip(*by_place, strict=True):
            is_heic = "face.heic" in command
            assert face["box"] == pytest.approx(other["box"], abs=1.0 if is_heic else 0)
            assert face["score"] == pytest.approx(other["score"], abs=0.01 if is_heic else 0)


def test_there_are_five_ways() -> None:
    ways = list_ways()
    assert len(ways) == 5
    for _, command, expression in ways:
        check_curl(shlex.split(command)[1:])
        compile(expression, "way", "eval")


@pytest.mark.integration
def test_answers_of_drop_in_routes_have_the_keys_of_real_ones(service: Running) -> None:
    picture = (ROOT / "tests" / "pictures" / "selfie_360x640.png").read_bytes()
    blocks = [
        block for block in PAGES["docs/drop-in.md"].blocks if block.language in {"sh", "json"}
    ]
    compared = 0
    for asked, answered in pairwise(blocks):
        if answered.language == "json":
            *_, url = shlex.split(asked.commands[0])
            field = "file" if "detection/detect" in url else "image"
            address = url.replace("localhost:8000", service.url)
            real = httpx.post(address, files={field: picture}).json()
            assert shape(json.loads(answered.text)) == shape(real), str(answered)
            compared += 1
    assert compared == 2


@pytest.mark.integration
def test_the_reference_has_every_route_and_option(service: Running) -> None:
    described = httpx.get(f"{service.url}/openapi.json").json()["paths"]
    text = PAGES["docs/http.md"].text
    assert {*described, "/", "/docs", "/openapi.json"} == ROUTES
    listed = re.findall(r"`(?:GET|POST) (/\S*)`", text[: text.index("\n## ")])
    assert sorted(listed) == sorted(ROUTES)
    for heading, parameters in (
        ("POST /detect", DetectParameters),
        ("POST /classify", ClassifyParameters),
    ):
        section = text.partition(f"\n## {heading}\n")[2]
        table = section[section.index("| option |") :].partition("\n\n")[0]
        assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*parameters.model_fields]


def test_the_error_table_of_the_reference_is_that_of_the_code() -> None:
    text = PAGES["docs/http.md"].text
    assert text == error_table.replace_table(text), "run: python docs/error_table.py"


@pytest.mark.integration
@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "python"], ids=str
)
def test_python_runs(block: Block, models_folder: Path, service: Running) -> None:
    program = block.text.replace("localhost:8000", service.url.removeprefix("http://"))
    subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(models_folder), check=True
    )
