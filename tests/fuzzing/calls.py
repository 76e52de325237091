"""Writes calls of the native entries: primitives and updates, functions of the module, members of its types."""

from __future__ import annotations

import alice_core as ac
from alice_core import _core
from fuzzing.corpus import Corpus
from fuzzing.draw import DTYPES, Draw, is_large

__all__ = ["function_call", "kernel_call", "member_call", "public_call", "update_call"]

WAYS = (
    ("eager",) * 6
    + ("compiled", "compiled", "planned", "traced", "abstractly", "differentiated", "backward", "compiled_backward")
    + ("twice", "pushed", "batched", "checkpointed")
)
#: What runs nothing, or refuses at once what no memory holds.
BOUNDED = ("eager", "planned", "abstractly")
#: Where a number says how often to do something.
COUNTED = {"repeat", "tile", "random_advance"}


def kernel_call(draw: Draw, corpus: Corpus) -> str:
    name = draw.pick(list(corpus))
    arrays, attributes = draw.pick(corpus[name])
    dtype = draw.pick((None, None, "float32", *DTYPES))
    texts = []
    for shape, own in arrays:
        of = dtype if dtype and (own.startswith("f") or draw.chance(0.1)) else own
        texts.append(draw.tensor(draw.shape_near(shape) if draw.chance(0.15) else shape, of))
    attrs = list(attributes)
    for _ in range(draw.pick((0, 0, 1, 1, 2))):
        what = draw.below(5)
        if what <= 1 and attrs:
            attrs[draw.below(len(attrs))] = draw.attribute()
        elif what == 2:
            texts[draw.below(len(texts))] = draw.anything()
        elif what == 3 and draw.chance(0.3):
            attrs.append(draw.attribute())
        elif what == 4 and draw.chance(0.3):
            texts.insert(draw.below(len(texts) + 1), draw.anything())
        elif draw.chance(0.1) and len(texts) > 1:
            del texts[draw.below(len(texts))]
    way = draw.pick(WAYS)
    if any(is_large(t) for t in attrs) or any("broadcast_to(np" in t for t in texts):
        way = draw.pick(BOUNDED)
        if name in COUNTED:
            way = "abstractly"
    rest = "".join(f", {a}" for a in attrs)
    return f"{way}(lambda *xs: P({name!r})(*xs{rest}), {', '.join(texts)})"


def update_call(draw: Draw, corpus: Corpus) -> str:
    if draw.chance(0.5):
        name, n, attrs = draw.pick((("copy", 1, []), ("sgd", 3, ["False", "1"]), ("sgd", 4, ["True", "1"])))
        shape = draw.small_shape()
        inputs = [draw.tensor(shape, "float32") for _ in range(n)]
        outputs = [draw.tensor(shape, "float32") for _ in range(draw.pick((1, 1, 1, 2)))]
        if draw.chance(0.5):
            hyper = draw.pick(("T((5,), 'float64')", "T((4, 1), 'float64')", "T((6, 2), 'float64')"))
            inputs[0] = hyper if name == "sgd" else inputs[0]
    else:
        name = draw.pick((*corpus, *_core.kernels()))
        arrays, attributes = draw.pick(corpus.get(name) or [((((3,), "float32"),) * 2, ())])
        attrs = list(attributes)
        inputs = [draw.tensor(shape, dtype) for shape, dtype in arrays]
        outputs = [draw.tensor(arrays[0][0], arrays[0][1]) for _ in range(draw.pick((1, 1, 2, 0)))]
    for part in (inputs, outputs):
        if draw.chance(0.15):
            part.append(draw.anything())
        if part and draw.chance(0.1):
            del part[draw.below(len(part))]
    if attrs and draw.chance(0.4):
        attrs[draw.below(len(attrs))] = draw.attribute()
    if any(is_large(a) for a in attrs):
        attrs = [a for a in attrs if not is_large(a)]
    setup = ""
    if outputs and inputs and draw.chance(0.3):  # reads what it writes, or a view of it
        view = draw.pick(("x", "x[::-1]", "x.T", "x.reshape(-1)", "x[:1]", "ac.broadcast_to(x, (2, *x.shape))"))
        setup = f"x = {outputs[0]}\n"
        outputs[0], inputs[draw.below(len(inputs))] = "x", view
    call = f"core.update({name!r}, [{', '.join(inputs)}], [{', '.join(attrs)}], [{', '.join(outputs)}])"
    way = draw.pick(("{}", "{}", "{}", "compiled(lambda: {})", "planned(lambda: {})", "ac.checkpoint(lambda: {})()"))
    return setup + way.format(call)


# -- functions of the module and members of its types ------------------------------------------------------------------

#: Called once, by the package itself, when it is imported.
IMPORT = {"setup", "use_vectorcall"}

#: Change the thread's state: called in a thread that ends.
STATEFUL = {
    "begin_context",
    "end_context",
    "set_active",
    "follow_backward",
    "set_recorder",
    "set_reads",
    "enter_mode",
    "exit_mode",
    "push_forward",
    "pop_forward",
    "Session",
    "WithoutInnermostContext",
}


def tensors(draw: Draw) -> str:
    n = draw.pick((0, 1, 1, 2, 3))
    return f"[{', '.join(draw.tensor() for _ in range(n))}]"


def tracked(draw: Draw) -> str:
    return draw.pick(
        (
            "ac.exp(T((3,), 'float32', leaf=True))",
            "ac.sum(T((2, 3), 'float64', leaf=True) ** 2)",
            "ac.softmax(T((2, 3), 'float32', leaf=True)) @ T((3,))",
            "ac.checkpoint(ac.tanh)(T((3,), leaf=True))",
        )
    )


EQUATION = (
    "(ac.exp(T((3,), 'float32', leaf=True)))._producer",
    "(T((2, 3), leaf=True) @ T((3, 2)))._producer",
    "ac.trace(lambda x: ac.sum(x * 2))(T((3,))).equations[0]",
    "ac.checkpoint(ac.tanh)(T((3,), leaf=True))._producer",
)
INSTANCES: dict[str, tuple[str, ...]] = {
    "TensorBase": ("ac.exp(T((3,), 'float32', leaf=True))", "ac.tensor(1.5)", "T((2,), 'bool')", "T((0, 3))"),
    "PrimitiveBase": ("core.PrimitiveBase('exp')", "core.PrimitiveBase('concat')", "core.PrimitiveBase('sgd')"),
    "Equation": EQUATION,
    "Record": ("ac.trace(lambda x: ac.sum(x * 2))(T((3,))).equations[0].record",),
    "Session": ("core.Session()", "core.Session(True)"),
    "Program": (
        "ac.compile(lambda x: ac.sum(x * 2))._program(T((3,)))",
        "ac.compile(lambda: W.assign_(W * 2))._program()",
    ),
    "CompiledBase": (
        "ac.compile(lambda *a, **k: (a, k))",
        "core.CompiledBase(lambda x: x, 2, False, False)",
        "ac.compile(lambda x: ac.exp(x), cache_size=1)",
        "ac.compile(lambda x: ac.exp(x), check=True)",
        "ac.compile(lambda x: ac.exp(x), profile=True)",
    ),
    "Segment": (
        "core.Segment(ac.exp, (T((3,)),), {})",
        "core.Segment(lambda x, k=1: x * k, (T((3,), leaf=True),), {'k': 2})",
    ),
    "TreeDef": ("ac.tree.structure([T((3,)), {'a': None}])", "ac.tree.structure(ac.nn.Linear(2, 3))"),
    "WithoutInnermostContext": (
        "core.WithoutInnermostContext([T((3,), leaf=True)])",
        "core.WithoutInnermostContext([])",
    ),
}
OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "@",
    "&",
    "|",
    "^",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "<<",
    "and",
    "is",
    "in",
)


def right_arguments(draw: Draw, name: str) -> str | None:
    """Arguments that a function of the module expects, so that the call gets further than its checks."""
    level = str(draw.pick((0, 1, 2, 3, 2**31, 2**32 - 1, -1)))
    rows = {
        "abstract": lambda: f"{draw.huge_shape()!r}, np.dtype({draw.pick(DTYPES)!r})",
        "tensor": lambda: f"{draw.array()}, {draw.pick(('True', 'False'))}",
        "stand_in": draw.anything,
        "reverse": lambda: f"[{tracked(draw)}], {tensors(draw)}, {draw.pick(('None', '[]', tensors(draw)))}, True",
        "join": lambda: (
            f"{draw.pick(('core.make_joint(ac.Primitive, ' + repr('j') + ')', 'P(' + repr('exp') + ')'))}, "
            f"{tensors(draw)}, {tensors(draw)}, {tensors(draw)}"
        ),
        "make_joint": lambda: f"{draw.pick(('ac.Primitive', 'core.PrimitiveBase', 'int', 'object', 'type'))}, 'j'",
        "kept_memory": lambda: f"[{draw.pick(EQUATION)}]",
        "lower": lambda: f"core.Session(), {tensors(draw)}, {tensors(draw)}",
        "push_along": lambda: f"[{tracked(draw)}], {tensors(draw)}, {tensors(draw)}",
        "is_followed": lambda: tensors(draw),
        "with_tangent": lambda: f"{draw.tensor()}, {level}, {draw.tensor()}",
        "without_tangent": lambda: f"{draw.tensor()}, {level}",
        "tangent": lambda: f"{draw.tensor()}, {level}",
        "set_num_threads": lambda: str(draw.pick((1, 2, 3, 4, 0, -1, -(2**31), 2**31, 2**62))),
        "set_active": lambda: draw.pick(("()", "{0}", "(0, 0)", f"[{level}]", "{0, core.begin_context()}", level)),
        "end_context": lambda: draw.pick((level, "core.begin_context()")),
        "set_recorder": lambda: draw.pick(("[]", "None", "()", "3", "hostile(list, append=boom)")),
        "enter_mode": lambda: draw.pick(("True, boom", "False, None", "True, 3", "False, lambda *a: None")),
        "exit_mode": lambda: draw.pick(("core.enter_mode(True, None)", "(1, None)", "()", "None", "(1, 2, 3)")),
    }
    return rows[name]() if name in rows else None


#: What is run in the state that the call left.
AFTER = "quietly(lambda: ac.grad(lambda x: ac.sum(ac.exp(x) * x))(T((3,)))), quietly(lambda: T((2,), leaf=True) + 1)"


def function_call(draw: Draw) -> str:
    name = draw.pick([n for n in vars(_core) if not n.startswith("__") and n not in IMPORT])
    right = None if draw.chance(0.3) else right_arguments(draw, name)
    call = f"core.{name}({draw.arguments() if right is None else right})"
    if name == "set_num_threads":
        return f"quietly(lambda: {call}), core.set_num_threads(2)" if right else "core.num_threads()"
    return f"alone(lambda: ({call}, {AFTER}))" if name in STATEFUL else call


def member_call(draw: Draw) -> str:
    kind = draw.pick(list(INSTANCES))
    made = draw.pick(INSTANCES[kind])
    what = draw.below(8)
    if what == 0:
        left, right = draw.pick(INSTANCES[kind]), draw.anything()
        if draw.chance(0.5):
            left, right = right, left
        return f"({left}) {draw.pick(OPERATORS)} ({right})"
    if what == 1:
        f = draw.pick(
            (
                "len",
                "iter",
                "list",
                "bool",
                "int",
                "float",
                "complex",
                "repr",
                "str",
                "hash",
                "memoryview",
                "bytes",
                "abs",
                "dir",
                "vars",
                "pickle.dumps",
                "weakref.ref",
                "reversed",
                "round",
                "format",
                "np.asarray",
                "tree.leaves",
                "gc.get_referents",
                "type",
                "__import__('copy').copy",
                "__import__('copy').deepcopy",
                "__import__('sys').getsizeof",
                "np.sin",
                "callable",
                "isinstance",
                "sorted",
                "next",
                "~",
                "-",
                "+",
                "core.CompiledBase.__init__",
            )
        )
        return f"{f}({made})"
    members = [n for n in dir(getattr(_core, kind)) if n not in ("__class__", "__subclasshook__", "__init_subclass__")]
    name = draw.pick(members)
    owner = f"({made})" if draw.chance(0.9) else f"({draw.pick(INSTANCES[draw.pick(list(INSTANCES))])})"
    if what == 2:
        return f"x = {owner}\nx.{name} = {draw.anything()}\nquietly(lambda: x.{name}), quietly(lambda: repr(x))"
    if what == 3:
        return f"x = {owner}\ndel x.{name}\nquietly(lambda: x.{name}), quietly(lambda: repr(x))"
    if what == 4:
        return f"core.{kind}.{name}({draw.anything()}{', ' + draw.arguments() if draw.chance(0.5) else ''})"
    if what == 5:
        return f"getattr({owner}, {name!r})"
    if what == 6 and kind in ("PrimitiveBase", "CompiledBase", "Segment", "Session", "WithoutInnermostContext"):
        return f"core.{kind}.__new__(core.{kind}).{name}"
    call = f"({owner}).{name}({draw.arguments(3)})"
    if kind in ("Session", "WithoutInnermostContext") or name.startswith(("__enter", "__exit")):
        return f"alone(lambda: ({call}, {AFTER}))"
    if kind == "CompiledBase" and name in ("__call__", "_call", "_program"):
        return f"f = {made}\nf.{name}({draw.arguments(2)}); f.{name}({draw.arguments(2)})"
    return call


#: Reads and writes files, shows pictures, changes what all calls share, or is no op.
PRIVATE = {
    "Primitive",
    "annotations",
    "data",
    "errors",
    "nn",
    "ops",
    "optim",
    "primitive",
    "random",
    "runtime",
    "testing",
    "transforms",
    "tree",
    "losses",
    "set_num_threads",
    "trim_memory",
    "debug_nans",
    "custom_primitive",
}


def public_call(draw: Draw) -> str:
    name = draw.pick([n for n in dir(ac) if not n.startswith("_") and n not in PRIVATE and callable(getattr(ac, n))])
    f = draw.pick(
        (
            "ac.exp",
            "lambda *a: ac.sum(a[0] * 2)",
            "lambda *a: a",
            "lambda x: [x, {'y': x @ x}]",
            "boom",
            "lambda *a: None",
            "lambda x: ac.grad(lambda y: ac.sum(y ** 3))(x)",
        )
    )
    first = f if name in TRANSFORMS else draw.tensor()
    args = [first] + [draw.anything() for _ in range(draw.below(3))]
    if draw.chance(0.4):
        keyword = draw.pick(
            ("axis", "keepdims", "dtype", "shape", "argnums", "in_axes", "out_axes", "copy", "n", "correction")
        )
        args.append(f"{keyword}={draw.attribute()}")
    call = f"ac.{name}({', '.join(args)})"
    if any(is_large(a) for a in args):
        return f"planned(lambda: {call})" if draw.chance(0.5) else call
    if name in TRANSFORMS and draw.chance(0.7):
        return f"({call})({draw.arguments(2)})"
    return draw.pick(("{}", "{}", "compiled(lambda: {})", "differentiated(lambda x: x * {}, T((3,)))")).format(call)


TRANSFORMS = {
    "grad",
    "value_and_grad",
    "vjp",
    "jvp",
    "vmap",
    "jacrev",
    "jacfwd",
    "jacobian",
    "hessian",
    "hvp",
    "vhp",
    "linearize",
    "checkpoint",
    "compile",
    "trace",
    "custom_vjp",
    "custom_jvp",
    "numerical_grad",
    "checkpoint_sequential",
}
