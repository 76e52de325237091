"""The API reference: a page a module, written from ``__all__``; and names in the text that lead there.

``ac.grad(f)`` in literals, in pages and docstrings alike, links to what is documented under ``alice_core.grad``.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

import alice_core as ac

GROUPS = {
    "tensors": (
        "Tensors",
        ["Tensor", "tensor", "asarray", "abstract", "ops.updates.At", "get_default_dtype", "set_default_dtype"],
    ),
    "transforms": (
        "Derivatives and other transforms",
        [
            "grad",
            "value_and_grad",
            "vjp",
            "jvp",
            "linearize",
            "jacobian",
            "jacrev",
            "jacfwd",
            "hessian",
            "hvp",
            "vhp",
            "sparsity",
            "Sparsity",
            "SparseMatrix",
            "vmap",
            "stop_gradient",
            "no_grad",
            "grad_enabled",
            "numerical_grad",
            "checkpoint",
            "checkpoint_sequential",
            "custom_vjp",
            "custom_jvp",
            "custom_primitive",
            "debug_nans",
        ],
    ),
    "control": (
        "Loops and choices",
        ["scan", "fori_loop", "while_loop", "cond", "switch", "map", "associative_scan"],
    ),
    "compiling": ("Compiled functions and traces", ["compile", "CompiledFunction", "Program", "trace", "Trace"]),
    "runtime": (
        "Run time, primitives and errors",
        [
            "get_num_threads",
            "set_num_threads",
            "memory_stats",
            "reset_peak_memory",
            "trim_memory",
            "build_config",
            "save_checkpoint",
            "load_checkpoint",
            "Primitive",
            "primitives",
            "update",
            "AliceError",
            "DeviceError",
            "DTypeError",
            "GradientError",
            "LinAlgError",
            "NonFiniteError",
            "ShapeError",
            "TraceError",
        ],
    ),
}
MODULES = [
    "nn",
    "nn.init",
    "losses",
    "optim",
    "optim.schedules",
    "data",
    "distributed",
    "linalg",
    "random",
    "special",
    "tree",
    "linear_model",
    "neural_network",
    "calibration",
    "bayes",
    "teaching",
    "testing",
    "plot",
    "extras",
]
OPS = [family for family in sorted(ac.ops.__all__) if not family.startswith("_")]


def public(module: Any) -> list[str]:
    """What a module offers: its ``__all__``, or what it imports from below and says so."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [n for n, v in vars(module).items() if not n.startswith("_") and not inspect.ismodule(v)]
        names = [n for n in names if getattr(vars(module)[n], "__module__", "").startswith(module.__name__)]
    return sorted(names, key=lambda name: (not name[0].isupper(), name.lower()))


def entry(path: str) -> str:
    """The directive that documents an object."""
    owner, _, name = path.rpartition(".")
    value = getattr(importlib.import_module(owner), name)
    if inspect.ismodule(value) or (
        owner != "alice_core" and value is getattr(ac, name, None) and inspect.isclass(value)
    ):
        return ""
    if inspect.isclass(value):
        members = "" if issubclass(value, (Exception, tuple)) else "   :members:\n"
        if value in (ac.Tensor, ac.Trace, ac.random.Generator):
            members += "   :inherited-members:\n"
        return f".. autoclass:: {path}\n{members}\n"
    kind = "function" if callable(value) else "data"
    return f".. auto{kind}:: {path}\n\n"


def written(title: str, intro: str, paths: list[str]) -> str:
    body = "".join(entry(path) for path in paths)
    return f"{title}\n{'=' * len(title)}\n\n{intro}\n\n{body}"


def pages() -> dict[str, str]:
    """Texts of all pages, by name."""
    texts, ops = {}, []
    for name, (title, names) in GROUPS.items():
        texts[name] = written(title, "", [f"alice_core.{n}" for n in names])
    listed: set[str] = set()
    for family in OPS:
        module = getattr(ac.ops, family)
        names = [n for n in sorted(module.__all__) if hasattr(ac, n) and n not in listed]
        if not names:
            continue
        listed.update(names)
        ops.append(f"ops_{family}")
        texts[f"ops_{family}"] = written(
            family.capitalize(), inspect.getdoc(module) or "", [f"alice_core.{n}" for n in names]
        )
    for name in MODULES:
        module = importlib.import_module(f"alice_core.{name}")
        intro = f".. module:: alice_core.{name}\n\n{inspect.getdoc(module) or ''}"
        texts[name] = written(f"ac.{name}", intro, [f"alice_core.{name}.{n}" for n in public(module)])
    tree = ".. toctree::\n   :maxdepth: 1\n\n   {}\n\n".format
    texts["index"] = (
        "API reference\n=============\n\nMade from the docstrings, whose examples are run by the tests. Write ``import "
        "alice_core as ac``.\n\n.. module:: alice_core\n\n"
        + "The engine\n----------\n\n" + tree("\n   ".join(GROUPS))
        + "Modules\n-------\n\n" + tree("\n   ".join(MODULES))
        + "Ops, by family\n--------------\n\nAll are names of ``alice_core`` itself.\n\n" + tree("\n   ".join(ops))
    )  # fmt: skip
    return texts


def write(app: Sphinx) -> None:
    """Write the pages; what has not changed keeps its time, and is not read again."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    texts = {folder / f"{name}.rst": text for name, text in pages().items()}
    for stale in set(folder.glob("*.rst")) - set(texts):
        stale.unlink()
    for path, text in texts.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


SECTION = re.compile(r"^(Gradient|Accuracy|Source)\n((?:    .*\n|\n)+)", re.MULTILINE)
SOURCE = re.compile(r"^Sources?: ", re.MULTILINE)


def tidied(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Sections that are ours, ``Gradient`` with indented text and ``Source: ...``, as napoleon knows them."""
    text = SECTION.sub(lambda m: f"{m[1]}\n{'-' * len(m[1])}\n{textwrap.dedent(m[2])}", "\n".join(lines) + "\n")
    if what in ("attribute", "property"):
        text = "..\n\n" + text  # or napoleon takes what stands before the first colon for a type
    lines[:] = SOURCE.sub("Source\n------\n", text).split("\n")


def found_by_its_end(app: Sphinx, env: Any, node: Any, shown: Any) -> Any:
    """What a docstring calls by a short name: the object with the shortest name that ends so."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].removeprefix("ac.")
    objects = env.get_domain("py").objects
    names = sorted((n for n in objects if n.endswith(f".{target}")), key=len)
    if not names:
        return None
    return make_refnode(app.builder, node["refdoc"], objects[names[0]].docname, objects[names[0]].node_id, shown)


class Links(SphinxPostTransform):
    """Literals that name something documented become links to it."""

    default_priority = 400
    NAME = re.compile(r"(?:ac\.|alice_core\.|(?=teaching\.|losses\.|bayes\.))((?:\w+\.)*\w+)(?:\(.*\))?", re.DOTALL)

    def run(self, **kwargs: Any) -> None:
        known = self.env.get_domain("py").objects  # type: ignore[attr-defined]
        for node in list(self.document.findall(nodes.literal)):
            found = self.NAME.fullmatch(node.astext())
            if not found or isinstance(node.parent, nodes.reference):
                continue
            target = known.get(f"alice_core.{found[1]}")
            if target is not None:
                link = make_refnode(self.app.builder, self.env.docname, target.docname, target.node_id, node.deepcopy())
                node.replace_self(link)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", tidied, priority=400)
    app.connect("missing-reference", found_by_its_end)
    app.add_post_transform(Links)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
