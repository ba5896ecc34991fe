"""The house stays as docs/design.md draws it: floors, one direction inside a room, small files."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "linpot"
FLOORS = (
    {"constants", "errors", "checks", "parallel"},
    {"kernels"},
    {"basis", "structures"},
    {"electrostatics", "model"},
    {"baselines", "fitting", "io", "selection", "uncertainty"},
    {"calculators", "charges", "datasets", "lammps", "mlip", "report", "validation"},
    {"workflow"},
    {"curation"},
    {"cli"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MAX_LINES, MAX_TEST_LINES = 400, 600

FILES = sorted(p for p in PACKAGE.rglob("*.py"))
ROOM_FILES = [p for p in FILES if p.parent != PACKAGE or p.stem != "__init__"]


def name_of(path: Path) -> str:
    """Dotted module name, packages without ``__init__``."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Second part of the dotted name: a folder, or a file that lies directly in the package."""
    return module.split(".")[1]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> set[str]:
    """Every import statement, also those inside functions and for type checkers only."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name_of(path).split(".")
                keep = len(package) - node.level + (path.stem == "__init__")
                base = ".".join([*package[:keep], *filter(None, [base])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def inner_imports(path: Path) -> set[str]:
    """Modules of linpot that a file imports, resolved to files that exist."""
    modules = {name_of(p) for p in FILES} - {"linpot"}
    return {m for m in imports_of(path) if m in modules} - {name_of(path)}


def calls_of(path: Path) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


@pytest.fixture(params=ROOM_FILES, ids=name_of)
def file(request) -> Path:
    return request.param


def test_every_room_has_a_floor():
    rooms = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir()}
    rooms -= {"__init__", "py", "__pycache__", "__main__"}
    assert rooms <= set(FLOOR_OF), f"no floor for {rooms - set(FLOOR_OF)}"


def test_imports_go_down(file):
    own = room_of(name_of(file))
    for module in inner_imports(file):
        other = room_of(module)
        if other != own and FLOOR_OF[own] > 0:
            assert FLOOR_OF[other] < FLOOR_OF[own], f"{name_of(file)} imports {module}"


def test_ground_floor_has_no_circles():
    """Its files may use one another in one direction: checks raise errors."""
    assert not circles(p for p in FILES if FLOOR_OF.get(room_of(name_of(p) + ".")) == 0)


@pytest.mark.parametrize("room", sorted(FLOOR_OF))
def test_files_of_a_room_stand_on_each_other_in_one_direction(room):
    found = circles(p for p in ROOM_FILES if room_of(name_of(p)) == room)
    assert not found, " -> ".join(found)


def circles(paths) -> list[str]:
    """Return one circle of imports, or nothing."""
    graph = {name_of(p): inner_imports(p) for p in paths}
    done: set[str] = set()

    def visit(module: str, above: list[str]) -> list[str]:
        if module in above:
            return [*above[above.index(module) :], module]
        if module not in graph or module in done:
            return []
        for other in sorted(graph[module]):
            found = visit(other, [*above, module])
            if found:
                return found
        done.add(module)
        return []

    return next((c for c in (visit(m, []) for m in sorted(graph)) if c), [])


def test_nobody_inside_imports_the_facade(file):
    facade = {"linpot"} & imports_of(file)
    exported = {
        m
        for m in imports_of(file)
        if m.startswith("linpot.") and m.count(".") == 1 and room_of(m) not in FLOOR_OF
    }
    assert not exported, f"{name_of(file)} takes {exported} from the facade"
    if facade:  # `from linpot import checks` takes a room, not the facade
        plain = [
            alias.name
            for node in ast.walk(tree_of(file))
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        assert "linpot" not in plain, f"{name_of(file)} imports the facade"


def test_facade_only_collects_names():
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    assert all(isinstance(node, allowed) for node in tree_of(PACKAGE / "__init__.py").body)


def test_no_pickle(file):
    top = {module.split(".")[0] for module in imports_of(file)}
    assert not top & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    assert not {"joblib.load", "joblib.dump"} & imports_of(file)
    allowing = [
        node
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.keyword)
        and node.arg == "allow_pickle"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert not allowing


def test_only_cli_prints(file):
    if room_of(name_of(file)) != "cli":
        assert "print" not in calls_of(file)


def test_only_report_and_validation_plot(file):
    if room_of(name_of(file)) not in {"report", "validation"}:
        assert not {m for m in imports_of(file) if m.split(".")[0] == "matplotlib"}


def test_files_have_one_purpose_and_at_most_400_lines(file):
    n_lines = len(file.read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_LINES, f"{name_of(file)} has {n_lines} lines"


def test_test_files_have_at_most_600_lines():
    for path in (ROOT / "tests").rglob("*.py"):
        n_lines = len(path.read_text(encoding="utf-8").splitlines())
        assert n_lines <= MAX_TEST_LINES, f"{path.name} has {n_lines} lines"


def test_names_of_files_say_what_is_inside():
    refused = {"utils", "util", "utilities", "tools", "misc", "helpers", "common", "core"}
    names = {part for p in FILES for part in p.relative_to(ROOT).with_suffix("").parts}
    assert not names & refused
    assert all(name == name.lower() and "-" not in name for name in names)


def test_every_module_says_what_it_is_for(file):
    assert ast.get_docstring(tree_of(file)), f"{name_of(file)} has no docstring"
