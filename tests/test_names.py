"""One name for one thing, and verbs for functions."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "service" / "phiz"
MAX_PARTICIPLES = 0.04
# An adjective in a property's name counts too; verbs that end so do not.
PARTICIPLE = re.compile(r"_*(?!(?:embed|feed|need|seed|speed)(?:_|$))[a-z]+ed(?:_|$)")
IRREGULAR = re.compile(
    r"_*(?:begun|built|drawn|found|given|held|kept|known|left|made|seen|sent|shown|taken|told"
    r"|written)(?:_|$)"
)


@cache
def read_modules() -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text("utf-8")))
        for path in sorted(SOURCE.rglob("*.py"))
    ]


def is_participle(name: str) -> bool:
    return bool(PARTICIPLE.match(name) or IRREGULAR.match(name))


def iterate_constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield name and value of what a module assigns at its top."""
    for node in module.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            pairs = (
                zip(target.elts, value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            for name, of_name in pairs:
                if isinstance(name, ast.Name) and not name.id.startswith("__"):
                    yield name.id, ast.unparse(of_name)


def test_class_names_stand_for_one_thing() -> None:
    places = defaultdict(list)
    for path, module in read_modules():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert len(places) > 100
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_constant_names_stand_for_one_value() -> None:
    values = defaultdict(set)
    for _, module in read_modules():
        for name, value in iterate_constants(module):
            values[name].add(value)
    assert len(values) > 200
    assert {name: found for name, found in values.items() if len(found) > 1} == {}


def test_function_names_are_rarely_participles() -> None:
    names = [
        node.name
        for _, module in read_modules()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    participles = [name for name in names if is_participle(name)]
    assert len(participles) <= MAX_PARTICIPLES * len(names), participles


def test_participles_are_told_from_verbs() -> None:
    assert all(map(is_participle, ["counted", "_joined_parts", "begun", "told_by"]))
    assert not any(map(is_participle, ["feed", "count", "begin", "embed_image", "tolden"]))
