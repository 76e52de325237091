"""Gradient descent to watch: every point on the way is kept.

The optimisers of :mod:`alice_core.optim` change parameters and forget; here a function of one Tensor is minimised, and
the way can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

from ..checks import checked_choice, checked_int, checked_number
from ..plot import BLUE, GREY, ORANGE, draw_figure

__all__ = ["Path", "descend", "small_change", "small_gradient", "small_step"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """The way of a descent, its start included.

    Attributes
    ----------
    points : numpy.ndarray, shape (steps + 1, ...)
        x_0, x_1, ...
    values : numpy.ndarray, shape (steps + 1,)
        The function there.
    gradients : numpy.ndarray, shape (steps + 1, ...)
        Its gradients there.
    rates : numpy.ndarray, shape (steps,)
        η_1, η_2, ...
    stopped : bool
        Whether the stopping rule ended it.
    """

    f: Callable[[ac.Tensor], ac.Tensor]
    points: Array
    values: Array
    gradients: Array
    rates: Array
    stopped: bool

    def __len__(self) -> int:
        """The number of steps."""
        return len(self.rates)

    @property
    def x(self) -> Array:
        """The last point."""
        last: Array = self.points[-1]
        return last

    @property
    def descends(self) -> bool:
        """Whether no step went up: ``f(x_t) <= f(x_{t-1})`` for every t."""
        return bool((np.diff(self.values) <= 0).all())

    def draw(self, path: str | File, title: str = "Descent", *, margin: float = 0.3, levels: int = 24) -> File:
        """Draw the way over the contours of a function of two variables, as a PNG file. Needs matplotlib.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str
        margin : float
            Room around the points, relative to the extent that they have.
        levels : int
            Contours.

        Returns
        -------
        Path
            The file written.
        """
        if self.points.shape[1:] != (2,):
            raise ac.ShapeError(
                f"Path.draw: contours need points of shape (2,); got {self.points.shape[1:]}; plot values instead"
            )
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        room = margin * max(float((high - low).max()), 1e-6)
        axes_of = [np.linspace(a - room, b + room, 121) for a, b in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*axes_of), axis=-1)
        heights = ac.vmap(self.f)(ac.asarray(grid.reshape(-1, 2))).numpy().reshape(grid.shape[:2])

        def fill(figure: Any) -> None:
            axes = figure.subplots()
            axes.contour(*axes_of, heights, levels=levels, colors=GREY, linewidths=0.6)
            axes.plot(*self.points.T, color=BLUE, marker="o", markersize=2.5, linewidth=1.0, label=f"{len(self)} steps")
            axes.plot(*self.points[-1], "o", color=ORANGE, markersize=5, label=f"f = {self.values[-1]:.4g}")
            axes.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
            axes.legend()

        return draw_figure(path, (5.6, 4.8), fill)


#: Told of the last two points and the last gradient, says whether to stop.
Rule = Callable[[Array, Array, Array], bool]


def small_step(eps: float) -> Rule:
    """Stop when ``|x_t - x_{t-1}|² < eps``, the rule of the notes."""
    bound = _bound("small_step", eps)
    return lambda before, x, gradient: float(((x - before) ** 2).sum()) < bound


def small_gradient(eps: float) -> Rule:
    """Stop when ``|∇f(x_t)| < eps``."""
    bound = _bound("small_gradient", eps)
    return lambda before, x, gradient: float(np.sqrt((gradient**2).sum())) < bound


def small_change(f: Callable[[ac.Tensor], ac.Tensor], eps: float) -> Rule:
    """Stop when ``|f(x_t) - f(x_{t-1})| < eps``."""
    bound = _bound("small_change", eps)
    return lambda before, x, gradient: abs(float(f(ac.asarray(x))) - float(f(ac.asarray(before)))) < bound


def _bound(who: str, eps: float) -> float:
    bound = checked_number(who, "eps", eps)
    if not bound > 0:
        raise ValueError(f"{who}: eps must be positive; got {eps}")
    return bound


def descend(
    f: Callable[[ac.Tensor], ac.Tensor],
    x0: Any,
    lr: float | Callable[[Any], Any] = 0.1,
    steps: int = 100,
    *,
    normalised: bool = False,
    momentum: float = 0.0,
    form: str = "notes",
    stop: Rule | None = None,
) -> Path:
    """Gradient descent on a function of one Tensor, in float64: ``x_t = x_{t-1} + g_t``.

    ========== ==================================================================================
    momentum 0 ``g_t = -η_t ∇f(x_{t-1})``
    "notes"    ``g_t = -η_t ∇f(x_{t-1}) + λ g_{t-1}``: a rate stays with the gradient that it was for
    "common"   ``v_t = λ v_{t-1} + ∇f(x_{t-1})``, ``g_t = -η_t v_t``: a rate acts on all gradients at once, as in
               :class:`alice_core.optim.SGD`
    ========== ==================================================================================

    Both are one while the rate is constant. Unrolled, the notes' form is
    ``g_t = -η_t ∇f(x_{t-1}) - λ η_{t-1} ∇f(x_{t-2}) + λ² g_{t-2}``.

    Parameters
    ----------
    f : callable
        From a Tensor to a 0-d Tensor.
    x0 : array_like
        Where to begin.
    lr : float or callable
        η, or what tells it from the number of steps taken, as those of :mod:`alice_core.optim.schedules` do.
    steps : int
        How many at most.
    normalised : bool
        Divide every gradient by its length, so that without momentum each step has the length η; 0 stays 0.
    momentum : float
        λ, at least 0.
    form : {"notes", "common"}
        Where the rate stands.
    stop : callable, optional
        One of :func:`small_step`, :func:`small_gradient`, :func:`small_change`, or your own of the last two points and
        the last gradient.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If an argument is out of range.

    Source: notes, section 2.3, with errata E-3 (the direction is only of unit length if it is divided by it) and E-5.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> path = teaching.descend(lambda x: x**2 - 1.5 * x, 0.0, lr=0.1, steps=10)
    >>> round(float(path.x), 10), path.descends
    (0.6694693632, True)
    >>> for form in ("notes", "common"):
    ...     path = teaching.descend(lambda x: x**2 / 2, 1.0, lambda t: [0.1, 0.05][int(t)], 2, momentum=0.9, form=form)
    ...     print(form, path.points.round(3))
    notes [1.    0.9   0.765]
    common [1.   0.9  0.81]
    """
    count = checked_int("descend", "steps", steps)
    keep = checked_number("descend", "momentum", momentum)
    checked_choice("descend", "form", form, ("notes", "common"))
    if count < 0 or not keep >= 0:
        raise ValueError(f"descend: steps and momentum must not be negative; got {steps}, {momentum}")
    slope = ac.value_and_grad(f)

    def look(x: Array) -> tuple[float, Array]:
        value, gradient = slope(ac.tensor(x))
        return float(value), np.array(gradient.numpy())

    x = np.array(x0.numpy() if isinstance(x0, ac.Tensor) else x0, dtype=np.float64)
    value, gradient = look(x)
    points, values, gradients, rates = [x], [value], [gradient], []
    velocity, stopped = np.zeros_like(x), False
    for t in range(count):
        rate = checked_number("descend", "lr", lr(t) if callable(lr) else lr)
        direction = gradient
        if normalised:
            length = float(np.sqrt((gradient**2).sum()))
            direction = gradient / length if length > 0 else gradient
        if form == "notes":
            velocity = -rate * direction + keep * velocity
            step = velocity
        else:
            velocity = keep * velocity + direction
            step = -rate * velocity
        before, x = x, x + step
        value, gradient = look(x)
        points.append(x)
        values.append(value)
        gradients.append(gradient)
        rates.append(rate)
        if stop is not None and stop(before, x, gradient):
            stopped = True
            break
    return Path(f, np.array(points), np.array(values), np.array(gradients), np.array(rates), stopped)
