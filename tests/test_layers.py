"""Who may know whom: no cycle among the modules, each layer of the package and of the native part knows those below,
and what is built on the engine uses public names only.
"""

from __future__ import annotations

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import alice_core as ac

PACKAGE = Path(ac.__file__).parent
CSRC = Path(__file__).resolve().parent.parent / "csrc"

# From the ground up; a module imports from its own layer and from those before. Packages stand for their modules.
LAYERS = [
    {"errors", "files", "interrupt"},
    {"checks", "extras", "_dtypes", "_elsewhere"},
    {"methods", "reading"},
    {"tensors"},
    {"tree", "primitive", "state", "runtime"},
    {"tracing"},  # knows no op
    {"ops"},
    {"linalg", "random", "special", "array_api", "transforms", "compiling"},
    {"numpy_dispatch", "losses", "nn", "optim", "data", "testing"},  # from here on as a user would: import alice_core
    {"plot", "estimators", "distributed"},
    {"checkpoints"},
    {"linear_model", "neural_network", "calibration", "bayes", "teaching", "demo"},
    {"cli", "__main__"},
]
USERS = {"losses", "nn", "optim", "data", "testing", "plot", "teaching", "demo", "cli"}
USERS |= {"estimators", "linear_model", "neural_network", "calibration", "bayes"}


class Import(NamedTuple):
    module: str  # the module that it executes: alice_core.ops.views
    name: str | None  # what is taken out of it; None for the module itself
    line: int
    top: bool  # executed when the importing module is


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("alice_core", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


@cache
def imports(name: str) -> list[Import]:
    """What a module imports of this package; what only type checkers execute is left out, and the native part."""
    package = name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, top: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend(Import(a.name, None, node.lineno, top) for a in node.names if a.name in modules())
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for a in node.names:
                if f"{base}.{a.name}" in modules():
                    found.append(Import(f"{base}.{a.name}", None, node.lineno, top))
                elif base in modules() and f"{base}.{a.name}" != "alice_core._core":
                    found.append(Import(base, a.name, node.lineno, top))
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, top and not inside)

    visit(tree_of(name), True)
    return found


def layer(name: str) -> int:
    part = name.split(".")[1]
    return next(i for i, members in enumerate(LAYERS) if part in members)


def of_users(name: str) -> bool:
    return name != "alice_core" and name.split(".")[1] in USERS


def uses_the_package(name: str) -> bool:
    return any(i.module == "alice_core" and i.top for i in imports(name))


# -- imports ---------------------------------------------------------------------------------------------------------


def test_no_module_imports_itself_by_way_of_others() -> None:
    """The package names its engine first; what is built on that imports the package, as far as it goes by then."""
    own = [i.module for i in imports("alice_core") if i.top]
    first = next(i for i, module in enumerate(own) if uses_the_package(module) or module.split(".")[1] in USERS)
    engine, rest = own[:first], own[first:]
    assert all(module.split(".")[1] in USERS for module in rest), rest
    graph = {"the engine": set(engine), "alice_core": set(own)}
    for name in modules():
        if name != "alice_core":
            graph[name] = {"the engine" if i.module == "alice_core" else i.module for i in imports(name) if i.top}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which shows the cycle


def test_every_module_can_be_imported_first(tmp_path: Path) -> None:
    """Each in a process of its own, and none after the package has put everything in order: parents are empty.

    Those that import the package before all else find the same whichever of them comes first: one process is enough.
    """
    names = [n for n in modules() if n != "alice_core" and not n.endswith("__main__")]
    bare = [n for n in names if not any(i.module == "alice_core" for i in _reached(n))]
    assert len(bare) > 50
    others = [n for n in names if n not in bare]
    code = f"""
import os, sys, types, numpy
def empty(name):
    parents = name.split(".")[:-1]
    for i in range(1, len(parents) + 1):
        parent = types.ModuleType(".".join(parents[:i]))
        parent.__path__ = [os.path.join({str(PACKAGE.parent)!r}, *parents[:i])]
        sys.modules[parent.__name__] = parent
failed = 0
for group in [*([name] for name in {bare!r}), {others!r}]:
    if os.fork() == 0:
        try:
            if group != {others!r}:
                empty(*group)
            for name in group:
                __import__(name)
        except BaseException as error:
            print(name, type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    failed += os.wait()[1] != 0
sys.exit(failed != 0)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _reached(name: str) -> list[Import]:
    found, waiting, seen = [], [name], {name}
    while waiting:
        for i in imports(waiting.pop()):
            if i.top:
                found.append(i)
                if i.module not in seen and i.module != "alice_core":
                    seen.add(i.module)
                    waiting.append(i.module)
    return found


@pytest.mark.parametrize("name", modules())
def test_imports_inside_functions_are_for_the_start_up_and_say_so(name: str) -> None:
    lines = modules()[name].read_text(encoding="utf-8").splitlines()
    inside = [i for i in imports(name) if not i.top]
    assert not [f"{name}:{i.line}: {i.module}" for i in inside if "start-up" not in lines[i.line - 1]]


@pytest.mark.parametrize("name", [n for n in modules() if n != "alice_core"])
def test_layers_know_those_below(name: str) -> None:
    above = [i for i in imports(name) if i.top and i.module != "alice_core" and layer(i.module) > layer(name)]
    assert not above
    if layer(name) < layer("alice_core.numpy_dispatch"):
        assert not uses_the_package(name), "the engine does not import the package that is made of it"


@pytest.mark.parametrize("name", [n for n in modules() if n.split(".")[1:2] in (["tree"], ["primitive"], ["tracing"])])
def test_trees_primitives_and_traces_know_no_op(name: str) -> None:
    text = modules()[name].read_text(encoding="utf-8")
    assert not [i for i in imports(name) if layer(i.module) >= layer("alice_core.ops")]
    assert not re.search(r"\bimport .*\bops\b|from .*\bops\b.* import", text)


# -- ops -------------------------------------------------------------------------------------------------------------


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("alice_core.ops.")])
def test_primitives_come_before_their_rules_and_rules_before_documented_functions(name: str) -> None:
    body = tree_of(name).body
    public = [n for n in body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not (isinstance(target, ast.Name) and isinstance(value, ast.Call)):
            continue
        if ast.unparse(value.func) != "Primitive":
            continue
        rules = [n.lineno for n in body if isinstance(n, ast.Expr) and ast.unparse(n).startswith(f"{target.id}.def")]
        used = [f.lineno for f in public if _mentions(f, target.id)]
        assert all(node.lineno < line for line in rules), target.id
        assert all(line < first for line in rules for first in used), target.id


def test_no_module_only_lists_what_others_define() -> None:
    for name, path in modules().items():
        if path.name in ("__init__.py", "__main__.py"):
            continue
        made = [n for n in tree_of(name).body if not isinstance(n, (ast.Import, ast.ImportFrom, ast.If))]
        assert any("__all__" not in ast.unparse(n) for n in made[1:]), name  # the first is the docstring


# -- names -----------------------------------------------------------------------------------------------------------


def test_no_function_hides_a_module_of_its_name() -> None:
    """``import alice_core.x`` and ``alice_core.x`` are one thing, whatever was imported before."""
    hidden = []
    for name in modules():
        package, _, last = name.rpartition(".")
        if package and last != "__main__":
            importlib.import_module(name)
    for name in modules():
        package, _, last = name.rpartition(".")
        if package and last != "__main__" and not inspect.ismodule(vars(sys.modules[package]).get(last)):
            hidden.append(name)
    assert not hidden


def _defined(names: list[str]) -> set[str]:
    """Everything that some modules bind, to a name or as an attribute."""
    found: set[str] = set()
    for name in names:
        for node in ast.walk(tree_of(name)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found


@pytest.mark.parametrize("part", sorted(USERS))
def test_what_is_built_on_the_engine_uses_public_names_only(part: str) -> None:
    own = [n for n in modules() if n == f"alice_core.{part}" or n.startswith(f"alice_core.{part}.")]
    defined = _defined(own) | {"_replace", "_getframe", "_exit"}  # those of NamedTuple, sys and os
    private = []
    for name in own:
        for i in imports(name):
            at_home = i.module.startswith(f"alice_core.{part}.") or i.module == f"alice_core.{part}"
            if not at_home and any(p.startswith("_") for p in (*i.module.split("."), i.name or "")):
                private.append(f"{name}:{i.line}: {i.module} {i.name or ''}")
        for node in ast.walk(tree_of(name)):
            if isinstance(node, ast.alias) and node.name.split(".")[-1] == "_core":
                private.append(f"{name}: _core")
            if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr) and node.attr not in defined:
                private.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert not private


def test_an_optimiser_of_a_user_is_written_as_ours_is() -> None:
    """Eager and compiled, SGD of a user's own that calls ``ac.update`` gives the bits of ours."""

    class Descent(ac.optim.Optimizer):
        def step(self) -> None:
            for p in self.params:
                ac.update("subtract", [p, ac.multiply(p.grad, 0.25)], (), [p])

    def trained(kind: type, compiled: bool) -> list[bytes]:
        ac.nn.manual_seed(0)
        model = ac.nn.MLP([4, 8, 3], activation="tanh")
        opt = kind(model.parameters(), lr=0.25)

        def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
            loss = ac.losses.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        run = ac.compile(step) if compiled else step
        x = ac.reshape(ac.linspace(-1.0, 1.0, 64), (16, 4))
        y = ac.tensor([0, 1, 2, 1] * 4)
        return [run(x, y).numpy().tobytes() for _ in range(5)] + [p.numpy().tobytes() for p in model.parameters()]

    ours = trained(ac.optim.SGD, False)
    assert ours == trained(Descent, False) == trained(Descent, True) == trained(ac.optim.SGD, True)


# -- the native part -------------------------------------------------------------------------------------------------

# Which folders a folder may include from. csrc/program reaches the kernels through their table, core/kernel.h.
MAY_INCLUDE = {
    "core": {"core"},
    "ops": {"ops", "core"},
    "program": {"program", "core"},
    "bindings": {"bindings", "program", "ops", "core"},
}


def _sources() -> list[Path]:
    return sorted(p for p in CSRC.rglob("*") if p.suffix in (".h", ".cpp"))


@pytest.mark.parametrize("folder", sorted(MAY_INCLUDE))
def test_native_folders_include_from_those_below(folder: str) -> None:
    sources = [p for p in _sources() if p.parent.name == folder]
    assert sources
    for path in sources:
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            included = (path.parent / name).resolve()
            assert included.is_file(), f"{path}: {name}"
            assert included.parent.name in MAY_INCLUDE[folder], f"{path.name} includes {name}"


def test_modules_that_the_bindings_import_are_there() -> None:
    for path in _sources():
        for name in re.findall(r'import\("(alice_core[.\w]*)"\)', path.read_text(encoding="utf-8")):
            assert name in modules() or name == "alice_core._core", f"{path.name} imports {name}"


def test_only_the_bindings_know_python() -> None:
    for path in _sources():
        knows = re.search(r'#\s*include\s+[<"](pybind11|Python\.h)', path.read_text(encoding="utf-8"))
        assert not knows or path.parent.name == "bindings", path
