"""The order of the rooms: a module imports only from its own room and from those before it."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import phiz

ROOT = Path(phiz.__file__).parent
PROJECT = Path(__file__).parents[1]
GROUP = PROJECT / "tests" / "pictures" / "group_640x480.png"

# A room is a folder or a module. Rooms on one line know nothing of each other.
ROOMS = (
    "cancellation errors",
    "timings",
    "settings system models",
    "options",
    "faces",
    "boxes workers",
    "image runtime tracking video",
    "detectors classifiers editing",
    "engine",
    "wire",
    "api loading",
    "worker sdk",
    "convert ray",
    "cli",
    "lab.accuracy",
    "lab.study",
    "lab.report",
    "lab.commands",
    "__main__",
)
LEVEL = {room: level for level, line in enumerate(ROOMS) for room in line.split()}
APART = ("phiz.lab", "phiz.convert", "phiz.ray")  # nothing that serves needs them

TOP_LEVEL_MODULES = 12
FILES_OF_A_FOLDER = 22

MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


@cache
def parse_module(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


def room_of(module: str) -> str:
    """Return the room of a module, or an empty text."""
    inside = module.removeprefix("phiz.")
    return next((room for room in LEVEL if f"{inside}.".startswith(f"{room}.")), "")


def imported(module: str, *, lazily: bool = True) -> Iterator[str]:
    """Yield the modules of this package that one imports, those within functions only if asked.

    The command ``phiz`` finds its commands by name; those imports are not among them.
    """
    tree = parse_module(module)
    for node in ast.walk(tree) if lazily else tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            found = name if name in MODULES else name.rpartition(".")[0]
            if found in MODULES and found != "phiz":
                yield found


def reached(*modules: str, lazily: bool) -> set[str]:
    """Return all modules that are imported once these are."""
    found: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += imported(module, lazily=lazily)
    return found


def test_imports_point_one_way() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in MODULES.keys() - {"phiz"}  # whose names are loaded at their first use
        for other in imported(module)
        if (here := room_of(module)) != (there := room_of(other)) and LEVEL[there] >= LEVEL[here]
    ]
    assert wrong == []


def test_every_module_has_a_room_and_every_room_exists() -> None:
    assert [name for name in MODULES if not room_of(name)] == ["phiz", "phiz.lab"]
    assert [room for room in LEVEL if f"phiz.{room}" not in MODULES] == []


def test_no_folder_is_crowded() -> None:
    files = Counter(path.parent for path in MODULES.values())
    assert files.pop(ROOT) <= TOP_LEVEL_MODULES
    assert {
        folder.name: count for folder, count in files.items() if count > FILES_OF_A_FOLDER
    } == {}


def test_serving_imports_neither_lab_nor_convert_nor_ray() -> None:
    served = reached("phiz.cli.serve", "phiz.worker", lazily=True)
    asked = reached("phiz.cli.main", "phiz.cli.detect_run", "phiz.cli.classify_run", lazily=False)
    assert {"phiz.api.app", "phiz.detectors.factory", "phiz.cli.run"} <= served | asked
    assert [name for name in sorted(served | asked) if name.startswith(APART)] == []


def test_serving_needs_no_package_of_the_extras_that_build_and_measure() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    needed = [
        entry for extra in ("build", "heif", "lab", "ray", "video") for entry in extras[extra]
    ]
    packages = {re.split(r"[\[<>=]", entry)[0].replace("-", "_") for entry in needed}
    assert {"onnx", "pillow_heif", "ray"} <= packages
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted({*packages, *APART})}))\n"
        "import phiz.api.app, phiz.api.server.server, phiz.api.assembly\n"
        "import phiz.cli.serve_run, phiz.worker\n"
        "from phiz.cli.main import main\n"
        f"main(['detect', '--model', 'front', '--format', 'csv', {str(GROUP)!r}])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.count(str(GROUP)) > 1


def test_pydantic_is_at_the_edge_and_http_in_few_rooms() -> None:
    roots = {
        name: {
            (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            for node in ast.walk(parse_module(name))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        for name in MODULES
    }
    pydantic = {
        room_of(name) for name in MODULES if roots[name] & {"pydantic", "pydantic_settings"}
    }
    http = {room_of(name) for name in MODULES if roots[name] & {"fastapi", "starlette", "uvicorn"}}
    files = {"models", "convert", "lab.accuracy", "lab.study"}  # read JSON documents
    assert pydantic == {"wire", "settings", "api", *files}
    assert http <= {"api", "cli", "ray"}


def test_the_service_itself_loads_nothing_that_detects_or_that_nobody_asked_for() -> None:
    program = (
        "import sys; import phiz.api.app, phiz.api.server.server;"
        "import phiz.cli.serve_run, phiz.cli.traces;"
        "print(*sys.modules.keys() & {'PIL', 'onnxruntime', 'phiz.engine', 'phiz.detectors',"
        " 'opentelemetry.sdk', 'opentelemetry.exporter', 'requests',"
        " 'ray', 'pyarrow'})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
