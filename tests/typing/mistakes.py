"""What ``mypy --strict`` must refuse: an ``ignore`` that hides nothing is an error itself. Never run."""

from __future__ import annotations

from program import Weights, clipped, loss, model, p, square, step, x

import alice_core as ac


def number(x: float) -> float:
    return x


def pair(x: ac.Tensor) -> tuple[ac.Tensor, int]:
    return x, 1


ac.grad(number)  # type: ignore[arg-type]
ac.grad(pair)  # type: ignore[arg-type]
ac.grad(square, has_aux=True)  # type: ignore[call-overload]
ac.grad(square, argnums="x")  # type: ignore[arg-type]
ac.grad(square(x))  # type: ignore[call-overload]
ac.grad(square)(x, exponent="3")  # type: ignore[arg-type]
ac.grad(loss)(x, x)  # type: ignore[arg-type]
ac.grad(loss)(p, x, scal=1.0)  # type: ignore[call-arg]
ac.grad(loss)(p)  # type: ignore[call-arg]
first: Weights = ac.grad(square)(x)  # type: ignore[assignment]
ac.value_and_grad(square)("x")  # type: ignore[arg-type]
ac.vmap(square)(x, x, x)  # type: ignore[call-arg, arg-type]
ac.checkpoint(square)()  # type: ignore[call-arg]
ac.jacrev(ac.sin)("x")  # type: ignore[arg-type]
ac.hessian(square, chunk=1.5)  # type: ignore[call-overload]
ac.trace(square)()  # type: ignore[call-arg]
ac.compile(square)(x, 2, 3)  # type: ignore[call-arg]
ac.compile(square, cache=1)  # type: ignore[call-overload]
step("x")  # type: ignore[arg-type]
step.program()  # type: ignore[call-arg]
model.predict()  # type: ignore[call-arg]
model.norm(1)  # type: ignore[call-arg]
model.predict(x).detach().no_such_name()  # type: ignore[attr-defined]
clipped(x, bond=1.0)  # type: ignore[call-arg]
x.requires_grad = True  # type: ignore[misc]
ac.tensor([1.0], requires_grad=True)  # type: ignore[arg-type]
ac.zeros("2")  # type: ignore[arg-type]
ac.optim.SGD(model, 0.1)  # type: ignore[arg-type]


class Mine(ac.Tensor):  # type: ignore[misc]
    pass
