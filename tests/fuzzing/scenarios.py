"""Writes small programs around what one call cannot show: callbacks that change what is being read, nesting, threads."""

from __future__ import annotations

from fuzzing.draw import DTYPES, Draw

__all__ = ["scenario"]

#: Functions of a list of arrays; what is done on the way comes from ``{act}``.
BODIES = (
    "lambda *xs: [ac.sum(x * 2) for x in tree.leaves(xs) if isinstance(x, ac.Tensor)]",
    "lambda *xs: xs",
    "lambda *xs: ({act}, ac.exp(tree_first(xs)))[1]",
    "lambda *xs: ac.sum(tree_first(xs) ** 2).backward()",
    "lambda *xs: ({act}, ac.sum(W * W).backward())[1]",
    "lambda *xs: (W.assign_(W * 0.5), {act}, ac.sum(W))[2]",
)


def action(draw: Draw) -> str:
    """What a callback does behind the back of who called it."""
    return draw.pick(
        (
            "xs.clear()",
            "xs.append(1)",
            "xs.pop()",
            "xs.__setitem__(0, T((5,)))",
            "d.clear()",
            "d.update(b=T((2,)))",
            "f.cache_clear()",
            "f(*xs)",
            "f(*xs[:1])",
            "gc.collect()",
            "setattr(W, 'grad', None)",
            "V.assign_(V + 1)",
            "setattr(W, 'grad', ac.ones_like(W))",
            "setattr(W, 'grad', ac.abstract(W.shape))",
            "W.assign_(W * 1)",
            "setattr(W, 'grad', T((3,), 'float64'))",
            "boom()",
            "W.requires_grad_(False)",
            "W.requires_grad_()",
            "ac.trim_memory()",
            "together(lambda: f(*xs))",
            "ac.set_num_threads(2)",
            "quietly(lambda: f.__init__(1, 2, 3, 4))",
            "xs.__delitem__(slice(None))",
            "f._trace((), {})",
            "ac.grad(lambda x: ac.sum(x * x))(T((3,)))",
            "None",
        )
    )


def victims(draw: Draw) -> str:
    return f"xs = [{', '.join(draw.tensor() for _ in range(draw.pick((1, 2, 3, 6))))}]\nd = {{'a': xs[0], 'b': xs}}\n"


def reading(draw: Draw) -> str:
    """A compiled function whose arguments change while they are read or compared."""
    act = action(draw)
    name = draw.pick(("eq", "eq", "hash", "index", "float", "getattr", "alice_bind", "bool", "len", "array", "_dtype"))
    base = draw.pick(("str, 'k'", "bytes, b'k'", "int, 3", "float, 2.0", "object", "tuple, (1,)"))
    body = draw.pick(BODIES).format(act=draw.pick(("None", action(draw))))
    arguments = draw.pick(
        ("*xs, {h}", "xs, {h}", "{h}, *xs", "{{'k': xs, {h}: 1}}", "[{h}, xs, {h}]", "d, {h}", "k={h}, x=xs")
    )
    calls = f"f({arguments})"
    h = f"hostile({base}, {name}=then(True, lambda: {act}))"
    if name == "eq" and "{h}" in arguments:
        h = f"hostile({base}, eq=then(True, lambda: {act}), hash=1)"
    first, second = (calls.format(h=draw.pick((h, "h", "h"))) for _ in range(2))
    return (
        f"{victims(draw)}H = type({h})\nh = {h}\nf = ac.compile({body}, cache_size={draw.pick((1, 2, 32))})\n"
        f"quietly(lambda: {first})\nquietly(lambda: {second})\n{draw.pick((first, second))}"
    )


def tracing(draw: Draw) -> str:
    """A traced, differentiated or batched function that changes the world on its way."""
    body = draw.pick(BODIES).format(act=action(draw))
    how = draw.pick(
        (
            "f(*xs)",
            "f(xs)",
            "f(d)",
            "f(*xs); f(*xs)",
            "f.program(*xs)",
            "ac.grad(f)(*xs)",
            "ac.vmap(f)(*xs)",
            "ac.jvp(f, xs, xs)",
            "ac.vjp(f, *xs)[1](xs[0])",
            "ac.checkpoint(f)(*xs)",
            "ac.trace(f)(*xs)",
            "ac.linearize(f, *xs)",
            "ac.hessian(f)(*xs)",
            "ac.jacfwd(f)(*xs)",
        )
    )
    options = draw.pick(("", ", check=True", ", profile=True", ", cache_size=1"))
    return f"{victims(draw)}f = ac.compile({body}{options})\nquietly(lambda: f(*xs))\n{how}"


def gradients(draw: Draw) -> str:
    """What a program assumes of ``.grad``: present or not, its dtype, its memory, its views."""
    gradient = draw.pick(
        (
            "None",
            "ac.ones_like(p)",
            "ac.abstract(p.shape, p.dtype)",
            "ac.ones(p.shape, ac.float64)",
            "ac.ones(p.shape, ac.int32)",
            "ac.broadcast_to(ac.tensor(1.0), p.shape)",
            "ac.asarray(np.ones(p.shape, 'f4')[::-1], copy=False)",
            "p",
            "p.detach()",
            "ac.asarray(X(p.shape, layout='readonly'))",
            "ac.exp(p)",
            "ac.ones(p.shape, ac.bool)",
            "T(p.shape, 'uint8')",
            "T((7,))",
        )
    )
    shape = draw.pick(((), (3,), (2, 3), (0, 2), (1000,)))
    body = draw.pick(
        (
            "ac.sum(p * p).backward()",
            "ac.sum(ac.exp(p)).backward()",
            "(setattr(p, 'grad', None), ac.sum(p * p).backward())",
            "p.grad",
            "p.assign_(p - 0.1 * p.grad)",
            "setattr(p, 'grad', p.grad * 2)",
            "p.grad.numpy()",
            "p.assign_(p[::-1])",
            "p.assign_(ac.broadcast_to(ac.sum(p), p.shape))",
            "(ac.sum(p).backward(), boom())",
            "(p.assign_(p * 2), boom())",
            "(p.assign_(p * 2), ac.take(p, T((2,), 'int64', '9')))",
            "p.grad.item()",
            "p.reshape(-1).assign_(0)",
        )
    )
    argument = draw.chance(0.5)
    f = f"ac.compile(lambda p: {body})" if argument else f"ac.compile(lambda: {body})"
    call = "f(p)" if argument else "f()"
    return (
        f"p = T({shape!r}, {draw.pick(('float32', 'float64'))!r}, leaf=True)\nf = {f}\n"
        f"loss = ac.sum(p ** 3)\nquietly(lambda: {call})\nquietly(lambda: setattr(p, 'grad', {gradient}))\n"
        f"quietly(lambda: {call})\nquietly(lambda: {call})\nquietly(lambda: p.grad.tolist())\n"
        f"quietly(lambda: repr(p.grad))\n{draw.pick((call, 'loss.backward()', 'p.grad.numpy()'))}"
    )


def rules(draw: Draw) -> str:
    """A public primitive with rules that are none, too few, or of the wrong kind."""
    name = draw.pick(("exp", "maximum", "atan2", "concat", "sum", "softmax"))
    arity = {"maximum": 2, "atan2": 2, "concat": 2}.get(name, 1)
    attrs = {"concat": ", 0", "sum": ", None, False", "softmax": ", -1"}.get(name, "")
    value = draw.pick(
        (
            "5",
            "()",
            "(None,)",
            "[None, None]",
            "(boom,)",
            "(lambda *a: None,)",
            "(lambda *a: a[0],) * 2",
            "'ab'",
            "{}",
            "None",
            "boom",
            "(lambda *a: 3,)",
            "(lambda *a: a,)",
            "(lambda *a: T((9,)),)",
            "lambda *a: []",
            "lambda *a: [None] * 9",
            "lambda *a: a[0]",
            f"(lambda *a: {action(draw)},)",
            "hostile(tuple, (boom,), getitem=boom)",
            "(P('exp'),)",
            "(int,) * 3",
        )
    )
    which = draw.pick(("vjp_rules", "vjp_joint", "jvp_rules", "jvp_joint"))
    how = draw.pick(
        (
            "ac.sum(p(*xs{a})).backward()",
            "ac.grad(lambda x: ac.sum(p(*[x] * len(xs){a})))(xs[0])",
            "ac.jvp(lambda x: p(*[x] * len(xs){a}), xs[:1], xs[:1])",
            "ac.vmap(lambda x: p(*[x] * len(xs){a}))(xs[0])",
            "compiled(lambda: ac.sum(p(*xs{a})).backward())",
        )
    )
    delete = f"del p.{draw.pick(('vjp_rules', 'vjp_joint', 'jvp_rules', 'jvp_joint'))}\n" if draw.chance(0.1) else ""
    return (
        f"p = core.PrimitiveBase({name!r})\nxs = [T((3, 3), leaf=True)] * {arity}\nd = {{}}\nf = ac.exp\np.{which} = {value}\n"
        f"{delete}{how.format(a=attrs)}"
    )


def custom(draw: Draw) -> str:
    """Rules of a user: of functions, not of kernels."""
    backward = draw.pick(
        ("g", "None", "(g,)", "(g, g, g)", "3", "T((9,))", "boom()", action(draw), "ac.exp(g)", "r", "{'a': g}", "[g]")
    )
    forward = draw.pick(
        (
            "(x * 2, x)",
            "x",
            "(x, None)",
            "(x, (x, xs))",
            "3",
            "None",
            "(boom(), x)",
            "((x, x), x)",
            f"(x, {action(draw)})",
        )
    )
    how = draw.pick(
        (
            "ac.grad(lambda x: ac.sum(f(x)))(xs[0])",
            "f(xs[0])",
            "ac.vmap(f)(xs[0])",
            "compiled(lambda x: ac.grad(lambda y: ac.sum(f(y)))(x), xs[0])",
            "ac.jvp(f, xs[:1], xs[:1])",
            "ac.sum(f(xs[0])).backward()",
            "ac.checkpoint(f)(xs[0])",
            "ac.hessian(lambda x: ac.sum(f(x)))(xs[0])",
        )
    )
    return f"{victims(draw)}f = ac.custom_vjp(lambda x: x * 2)\nf.defvjp(lambda x: {forward}, lambda r, g: {backward})\n{how}"


def nesting(draw: Draw) -> str:
    f = draw.pick(
        (
            "lambda x: ac.sum(ac.exp(x) * x)",
            "lambda x: ac.sum(ac.softmax(x))",
            "lambda x: ac.sum(x @ x.T if x.ndim == 2 else x * x)",
            "lambda x: ac.sum(ac.where(x > 0, x, 0.0) ** 2) + ac.sum(W)",
        )
    )
    for _ in range(draw.pick((1, 2, 3, 3, 4, 5))):
        f = draw.pick(
            (
                "ac.compile({})",
                "ac.grad({})",
                "ac.vmap({})",
                "ac.checkpoint({})",
                "(lambda x, f={}: ac.jvp(f, [x], [x])[1])",
                "(lambda x, f={}: ac.vjp(f, x)[0])",
                "ac.jacrev({})",
                "ac.jacfwd({})",
                "(lambda x, f={}: ac.sum(f(x)))",
                "(lambda x, f={}: ac.linearize(f, x)[1](x))",
                "(lambda x, f={}: ac.stop_gradient(f(x)))",
                "(lambda x, f={}: together(lambda: f(x))[0])",
                "(lambda x, f={}: ac.trace(f)(x) and f(x))",
                "(lambda x, f={}: quietly(lambda: boom(f(x))) or f(x))",
                "(lambda x, f={}: (boom(f(x))))",
            )
        ).format(f)
    return f"f = {f}\nf({draw.tensor(draw.pick(((3,), (2, 2), (0, 3), (), (2, 3, 2))), draw.pick(('float32', 'float64')))})"


def threads(draw: Draw) -> str:
    """Several threads read, change, replay, clear and drop the same objects."""
    acts = [
        draw.pick(
            (
                "f(*xs)",
                "f(*xs)",
                "f(xs[0])",
                "f.cache_clear()",
                "xs.append(T((3,)))",
                "xs and xs.pop()",
                "W.assign_(W * 0.5)",
                "setattr(W, 'grad', None)",
                "ac.sum(W * W).backward()",
                "W.numpy().sum()",
                "g()",
                "g()",
                "d.clear()",
                "d.update(a=T((4,)))",
                "f(d)",
                "W.grad",
                "ac.trim_memory()",
                "core.set_num_threads(2)",
                "core.set_num_threads(1)",
                "ac.grad(lambda x: ac.sum(x * W))(V)",
                "gc.collect()",
                "xs.__setitem__(0, T((3,)))",
                "V.assign_(W * 1)",
                "pickle.dumps(W)",
                "ac.sum(BIG * 2)",
                "ac.exp(BIG)",
            )
        )
        for _ in range(draw.pick((2, 3, 4)))
    ]
    g = draw.pick(
        (
            "lambda: ac.sum(W * W).backward()",
            "lambda: W.assign_(W * 0.99)",
            "lambda: ac.sum(W)",
            "lambda: W.assign_(V[::-1])",
            "lambda: ac.sum(BIG * BIG)",
            "lambda: (ac.sum(W * W).backward(), W.assign_(W - 0.1 * W.grad), setattr(W, 'grad', None))",
        )
    )
    times = draw.pick((2, 5, 10))
    return (
        f"{victims(draw)}f = ac.compile({BODIES[draw.below(2)]}, cache_size=2)\ng = ac.compile({g})\n"
        + "together("
        + ", ".join(f"lambda: [quietly(lambda: {a}) for _ in range({times})]" for a in acts)
        + ")"
    )


def dlpack(draw: Draw) -> str:
    options = []
    for option, values in {
        "code": (0, 1, 2, 4, 5, 6, 9, 255),
        "bits": (0, 1, 7, 8, 16, 32, 64, 128, 255),
        "lanes": (0, 1, 2, 65535),
        "offset": (0, 1, 4, 8, 64),
        "device": ((1, 0), (2, 0), (3, 1), (0, 0), (-1, 7)),
        "told": ("(1, 0)", "(2, 0)", "None", "3", "(1,)", "('a', 'b')", "(2**70, 0)", "boom"),
        "version": (None, (1, 0), (1, 1), (0, 8), (2, 0), (2**31, 0)),
        "flags": (0, 1, 2, 3, 2**63),
        "name": (b"dltensor", b"used_dltensor", b"dltensor_versioned", b"x", b""),
        "deleter": (True, False),
        "times": (1, 2),
    }.items():
        if draw.chance(0.2):
            options.append(f"{option}={draw.pick(values)}")
    shape = draw.pick(((), (0,), (3,), (2, 3), (1,) * 33, (1,) * 64, (2, 0, 2**40)))
    strides = draw.pick(("None", f"{tuple(draw.pick((0, 1, -1, 2, 3)) for _ in shape)!r}"))
    wrapped = f"Capsule({shape!r}, {strides}{''.join(', ' + o for o in options)})"
    how = draw.pick(
        (
            "ac.from_dlpack(c)",
            "ac.from_dlpack(c, copy=False)",
            "ac.from_dlpack(c, copy=True)",
            "(ac.from_dlpack(c), ac.from_dlpack(c))",
            "ac.sum(ac.from_dlpack(c))",
            "ac.tensor(c)",
            "ac.asarray(c)",
            "compiled(ac.sum, ac.from_dlpack(c))",
            "ac.ones((2, 3)) + np.from_dlpack(c)",
            "np.from_dlpack(ac.from_dlpack(c))",
            "ac.from_dlpack(ac.from_dlpack(c, copy=False)).tolist()",
        )
    )
    return f"c = {wrapped}\n{how}"


def foreign(draw: Draw) -> str:
    """Arrays of other owners, which may go, and buffers of ours that outlive their Tensor."""
    a = draw.array()
    how = draw.pick(
        (
            "ac.asarray(a)",
            "ac.asarray(a, copy=False)",
            "ac.tensor(a)",
            "core.tensor(a, False)",
            "core.tensor(a, True)",
            f"ac.tensor(a, dtype={draw.pick(DTYPES)!r})",
            "compiled(lambda x: x, a)[1]",
            "core.stand_in(a)",
        )
    )
    use = draw.pick(
        (
            "x",
            "x.shape",
            "x._numpy(True)",
            "np.asarray(x[:1])",
            "x._numpy(False).copy() if x.size < 1000 else 0",
            "memoryview(x)",
            "bytes(x) if x.size < 1000 else 0",
            "repr(x) if x.size < 1000 else 0",
            "pickle.dumps(x) if x.size < 1000 else 0",
            "x.assign_(0) if x.size < 1000 else 0",
            "ac.reshape(x, (-1,))",
            "x.T",
            "compiled(lambda y: y + 1, x)",
            "x + 1",
            "x == x",
            "np.add(a, x, out=a) if x.size < 1000 else 0",
            "x.__dlpack__()",
        )
    )
    drop = draw.pick(("", "del a\ngc.collect()\n"))
    if drop and "(a" in use:
        drop = ""
    return f"a = {a}\nx = {how}\n{drop}{use}"


def structures(draw: Draw) -> str:
    """Arguments and results that contain themselves, are very deep, or of types with opinions."""
    made = draw.pick(
        (
            "s = []\ns.append(s)",
            "s = {}\ns['s'] = s",
            "s = T((2,))\nfor _ in range(300): s = [s]",
            "s = T((2,))\nfor _ in range(150): s = (s, {'k': 1})",
            "s = hostile(list, [T((2,))], iter=boom)",
            "s = hostile(list, [T((2,))], len=5)",
            "s = hostile(dict, {'a': T((2,))}, copy=boom)",
            "s = hostile(tuple, (T((2,)),), __fields=('a',))",
            "s = hostile(tuple, (T((2,)),), __fields=('a',), __make=boom)",
            "s = hostile(dict, {'a': T((2,))}, _copy=lambda self: lambda: 3)",
            "s = hostile(list, [T((2,))], init=boom)",
            "s = [T((2,))] * 2000",
            "s = {T((2,)): 1}",
            "s = {1: T((2,)), 'a': 2, None: 3.0, (1,): T(())}",
            "s = type('N', (tuple,), {'_fields': 3})((T((2,)),))",
        )
    )
    how = draw.pick(
        (
            "ac.compile(lambda x: x)(s)",
            "ac.compile(lambda: s)()",
            "compiled(lambda x: (x, x), s)",
            "ac.grad(lambda x: ac.sum(tree_first(x)))(s)",
            "ac.vmap(lambda x: x)(s)",
            "ac.checkpoint(lambda x: x)(s)",
            "ac.compile(lambda **k: k)(a=s, b=s)",
            "ac.stack(s)",
            "ac.trace(lambda x: x)(s)",
            "ac.tensor(s)",
            "core.stand_in(s)",
        )
    )
    return f"{made}\n{how}\n{how}"


WRITERS = (
    *(reading,) * 4,
    *(tracing,) * 3,
    *(gradients,) * 3,
    *(rules,) * 2,
    custom,
    *(nesting,) * 3,
    threads,
    dlpack,
    *(foreign,) * 2,
    structures,
)


def scenario(draw: Draw) -> str:
    return draw.pick(WRITERS)(draw)
