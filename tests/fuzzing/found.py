"""Calls that once crashed, hung or left something behind."""

from __future__ import annotations

__all__ = ["FOUND"]

FOUND = {
    "an update without inputs": "core.update('copy', [], [], [T((1,), 'float32')])",
    "an update without outputs": "core.update('sin', [T((3, 2), 'float64')], [], [])",
    "an update without attributes": "core.update('sgd', [T((5,), 'float64'), T((3,)), T((3,))], [], [T((3,))])",
    "an update in a program": "compiled(lambda: core.update('tan_vjp', [T((3,))], [], []))",
    "an update in a checkpoint": "ac.checkpoint(lambda: core.update('copy', [], [], [T((5,))]))()",
    "rules that are no tuple": """
        p = core.PrimitiveBase('exp')
        for which in ('vjp_rules', 'jvp_rules', 'vjp_joint', 'jvp_joint'):
            for value in (5, (), {}, [], 'ab', None):
                quietly(lambda: setattr(p, which, value))
                quietly(lambda: ac.sum(p(T((3,), leaf=True))).backward())
                quietly(lambda: ac.jvp(p, [T((3,))], [T((3,))]))
            quietly(lambda: delattr(p, which))
        """,
    "an abstract gradient": """
        for body in (lambda p: ac.sum(p * p).backward(), lambda p: setattr(p, 'grad', p.grad * 2), lambda p: p.grad):
            p = T((3,), leaf=True)
            f = ac.compile(lambda: body(p))
            quietly(f)
            quietly(lambda: setattr(p, 'grad', ac.abstract(p.shape, p.dtype)))
            quietly(f), quietly(f), quietly(lambda: p.grad.tolist())
        """,
    "a joint that is no primitive": "core.make_joint(int, 'j')",
    "a join of no primitive": "core.join(T((3,)), [T((3,))], [], [T((3,), leaf=True)])",
    "lowering of no Tensors": "core.lower(core.Session(), [5], [5])",
    "more pops than pushes": "alone(lambda: [quietly(core.pop_forward), quietly(lambda: core.end_context(0)), quietly(core.begin_context)])",
    "a recorder that is no list": "alone(lambda: (core.set_recorder(3), quietly(lambda: ac.exp(T((2,))))))",
    "a power of logarithms of a huge order": "eager(lambda *xs: P('pow_log')(*xs, 2**63 - 1), T(()), T((2, 3)))",
    "pickles of private objects": """
        for x in (core.Session(), core.WithoutInnermostContext([]), core.Segment(ac.exp, (), {}), ac.compile(ac.exp)._program(T((3,)))):
            for protocol in range(3):
                quietly(lambda: x.__reduce_ex__(protocol))
            quietly(x.__reduce__)
        """,
    "a primitive made again": "core.PrimitiveBase('multiply')\nac.Primitive",
    "a method of nobody": "for t in (core.Session, core.WithoutInnermostContext, core.Segment): quietly(lambda: t.__exit__(None)), quietly(lambda: t.run(None))",
    "a call that was taken apart": "ac.compile(lambda x: x).__init__(1, 2, 3, 4)",
    "what is captured is watched outside of a with statement": """
        alone(lambda: (((core.WithoutInnermostContext([]))).watch(T((2,), 'int64')), quietly(lambda: ac.grad(lambda x: ac.sum(ac.exp(x) * x))(T((3,))))))
    """,
    "a polygamma of an order that fits no int": """
        eager(lambda *xs: P('polygamma')(*xs, 1e39), T((37,), 'int64', 'few', 'misaligned'))
    """,
    "more empty matrices than anybody counts": """
        for name in ('cholesky', 'det', 'eigh', 'expm', 'inv', 'lu', 'pinv', 'qr', 'slogdet', 'svd', 'svdvals'):
            for shape in ((2147483647, 5, 0, 0), (2147483647, 5, 0, 1), (2147483647, 5, 1, 0)):
                quietly(lambda: ac.vjp(getattr(ac.linalg, name), ac.zeros(shape)))
    """,
}
