"""Imports point one way: a module imports only from those above it in this list."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import phiz

ROOT = Path(phiz.__file__).parent
# A name stands for a module, or for a package with all that is in it. Those on one line
# know nothing of each other.
LAYERS = (
    ("errors",),
    (
        *("faces", "timings", "headers", "tables", "settings", "quota", "memory", "scheduling"),
        *("counts", "processes", "logs"),
    ),
    ("bounds", "picture", "geometry", "operating_point", "metrics", "crew"),
    ("cards", "jpeg", "pillow"),
    ("provenance",),
    ("image",),
    ("resample", "integral", "suppression", "quality", "catalog", "router", "drawing", "scenes"),
    ("exchange", "runtime", "votes"),
    ("detectors", "classifiers"),
    ("engine",),
    ("measure",),
    ("study",),
    ("answers", "schemas", "listing"),
    ("api", "build", "bulk"),
    ("cli",),
    ("ray_app",),
    ("__main__",),
)
LAYER = {name: layer for layer, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules of this package, by the first part of their names, that a file imports."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "phiz":
            names = [f"phiz.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("phiz.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_only_from_above(path: Path) -> None:
    name = path.parts[0].removesuffix(".py")
    if path.parts == ("__init__.py",):
        assert imported(path) == set()
        return
    assert name in LAYER, f"{name} has no place in the layers"
    below = {other for other in imported(path) - {name} if LAYER[other] >= LAYER[name]}
    assert not below, f"{path} imports {', '.join(sorted(below))}, which are not above it"


@pytest.mark.parametrize("name", sorted(LAYER))
def test_every_layer_exists(name: str) -> None:
    assert (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parts[0] not in {"build", "cli"}], ids=str
)
def test_serving_never_imports_the_build(path: Path) -> None:
    assert "build" not in imported(path)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_only_the_edge_knows_pydantic_and_only_the_api_knows_http(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    roots = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    name = path.parts[0].removesuffix(".py")
    if name not in {"schemas", "listing", "settings", "api"}:
        assert not roots & {"pydantic", "pydantic_settings"}
    if name not in {"api", "cli", "ray_app"}:
        assert not roots & {"fastapi", "starlette", "uvicorn"}


def test_the_service_itself_loads_nothing_that_detects_or_that_nobody_asked_for() -> None:
    program = (
        "import sys; import phiz.api.app, phiz.api.server, phiz.cli.serve, phiz.cli.traces;"
        "print(*sys.modules.keys() & {'PIL', 'onnxruntime', 'phiz.engine', 'phiz.detectors',"
        " 'opentelemetry.sdk', 'opentelemetry.exporter', 'requests',"
        " 'ray', 'pyarrow'})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
