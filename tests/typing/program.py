"""A user's program, as ``mypy --strict`` reads it; ``tests/test_typing.py`` runs it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import alice_core as ac

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value: Any, kind: Any) -> Any:
        return value


class Weights(NamedTuple):
    w: ac.Tensor
    b: ac.Tensor


def loss(p: Weights, x: ac.Tensor, *, scale: float = 1.0) -> ac.Tensor:
    return ac.sum(p.w * x + p.b) * scale


def with_count(p: dict[str, ac.Tensor], x: ac.Tensor) -> tuple[ac.Tensor, int]:
    return ac.sum(p["w"] * x), x.size


def square(x: ac.Tensor, exponent: int = 2) -> ac.Tensor:
    return ac.sum(x**exponent)


x = ac.tensor([1.0, 2.0])
p = Weights(x, x)

# Gradients have the structure of the first argument, and the other arguments keep names, types and defaults.
assert_type(ac.grad(square)(x), ac.Tensor)
assert_type(ac.grad(square)(x, exponent=3), ac.Tensor)
assert_type(ac.grad(loss)(p, x, scale=2.0), Weights)
assert_type(ac.grad(loss, argnums=1)(p, x), Any)
assert_type(ac.grad(loss, argnums=(0, 1))(p, x), tuple[Any, ...])
assert_type(ac.grad(with_count, has_aux=True)({"w": x}, x), tuple[Any, int])
assert_type(ac.grad(with_count, (0, 1), has_aux=True)({"w": x}, x), tuple[tuple[Any, ...], int])
assert_type(ac.value_and_grad(loss)(p, x), tuple[ac.Tensor, Weights])
assert_type(ac.value_and_grad(with_count, has_aux=True)({"w": x}, x)[0], tuple[ac.Tensor, int])

# Ops take numbers, so their gradients do; and gradients have gradients.
assert_type(ac.grad(ac.sin)(1.0), ac.Tensor)
assert_type(ac.grad(ac.grad(ac.sin))(1.0), ac.Tensor)
assert_type(ac.grad(lambda x: x**3)(2.0), ac.Tensor)
assert_type(ac.grad(lambda x: x**3)(2.0).item(), bool | int | float)

assert_type(ac.jacrev(ac.sin)(x), ac.Tensor)
assert_type(ac.jacfwd(ac.sin, chunk=1)(x), ac.Tensor)
assert_type(ac.hessian(square)(x, exponent=3), ac.Tensor)
assert_type(ac.jacobian(loss, argnums=(0, 1))(p, x), Any)
assert_type(ac.jacfwd(square, sparse=True)(x), ac.SparseMatrix)
assert_type(ac.hessian(square, sparse=True)(x).values, ac.Tensor)
assert_type(ac.sparsity(square, x), ac.Sparsity)
assert_type(ac.vmap(square)(ac.ones((3, 2))), ac.Tensor)
assert_type(ac.vmap(with_count, in_axes=(None, 0))({"w": x}, ac.ones((3, 2))), tuple[ac.Tensor, int])
assert_type(ac.checkpoint(loss)(p, x, scale=2.0), ac.Tensor)
assert_type(ac.vjp(loss, p, x)[0], ac.Tensor)
assert_type(ac.jvp(square, [x], [x]), tuple[ac.Tensor, ac.Tensor])
assert_type(ac.linearize(square, x)[1](x), ac.Tensor)
assert_type(ac.trace(square)(x), ac.Trace)


@ac.compile
def step(x: ac.Tensor, rate: float = 0.1) -> tuple[ac.Tensor, ac.Tensor]:
    return x * rate, x


@ac.compile(cache_size=2)
def other(x: ac.Tensor) -> ac.Tensor:
    return x


assert_type(step(x, rate=0.5), tuple[ac.Tensor, ac.Tensor])
assert_type(step.cache_info().hits, int)
assert_type(step.program(x).flops, float)
assert_type(other(x), ac.Tensor)


class Model(ac.nn.Module):
    def __init__(self) -> None:
        self.inner = ac.nn.MLP([2, 3, 2], seed=0)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        y: ac.Tensor = self.inner(x)
        return y

    @ac.compile
    def predict(self, x: ac.Tensor) -> ac.Tensor:
        return ac.softmax(self.forward(x))

    @ac.no_grad()
    def norm(self) -> ac.Tensor:
        return ac.sum(ac.stack([ac.sum(w * w) for w in self.parameters()]))


model = Model()
assert_type(model.train().eval(), Model)
assert_type(model.predict(ac.ones((4, 2))), ac.Tensor)
assert_type(model.norm(), ac.Tensor)

opt = ac.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for images, labels in ac.data.minibatches(np.ones((4, 2), np.float32), np.zeros(4, np.int64), 2):
    total = ac.losses.cross_entropy(model(images), labels)
    opt.zero_grad()
    total.backward()
    opt.step()
    assert_type(total, ac.Tensor)

together = ac.distributed.data_parallel(opt, deterministic=True)
together.zero_grad()
assert_type(together.backward(lambda x: ac.sum(model(x)), ac.ones((8, 2))), ac.Tensor)
together.step()
assert_type(ac.distributed.allreduce({"loss": total}, "sum"), dict[str, ac.Tensor])
assert_type(ac.distributed.shard(np.ones((4, 2)), [0, 1, 2, 3]), tuple[ac.Tensor, ...])
assert_type(ac.distributed.rank() + ac.distributed.size(), int)


@ac.custom_vjp
def clipped(x: ac.Tensor, bound: float = 1.0) -> ac.Tensor:
    return x


clipped.defvjp(lambda x, bound: (x, bound), lambda bound, g: (ac.clip(g, -bound, bound), None))
assert_type(clipped(x, bound=2.0), ac.Tensor)


def apply(f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor) -> ac.Tensor:
    return f(x)


assert_type(apply(other, apply(clipped, apply(ac.vmap(ac.grad(ac.sin)), x))), ac.Tensor)
