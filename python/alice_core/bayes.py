"""Risk and likelihood: what a loss is expected to be, the most probable parameters, and averages over models.

Everything is written in logarithms, in nats: products of many probabilities underflow, sums of their logarithms do not.

Source: notes, sections 3.2 and 3.3, with errata E-10 and E-11.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import alice_core as ac

from .checks import check_function, checked_int, checked_positive
from .optim import MinimizeResult, minimize
from .tree import leaves

__all__ = [
    "Posterior",
    "RiskEstimate",
    "bayes_rule",
    "empirical_risk",
    "expected_risk",
    "gaussian_log_prior",
    "generalisation_gap",
    "maximum_a_posteriori",
    "maximum_likelihood",
    "norm_log_prior",
    "predictive_average",
]

Loss = Callable[..., ac.Tensor]
Model = Callable[[Any], Any]


# -- risk --------------------------------------------------------------------------------------------------------------


def empirical_risk(loss: Loss, model: Model, x: Any, y: Any) -> ac.Tensor:
    """Mean loss on data that are there: ``1/n Σ_i loss(model(x_i), y_i)``.

    Parameters
    ----------
    loss : callable
        One of :mod:`alice_core.losses`, or what also takes ``reduction``.
    model : callable
        From all inputs at once to predictions.
    x, y : array_like
        Inputs and targets, one row per example.

    Returns
    -------
    Tensor, 0-d
        Differentiable by what the model reads.

    Source: notes, section 3.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.bayes import empirical_risk
    >>> empirical_risk(ac.losses.mse_loss, lambda x: 2.0 * x, ac.tensor([1.0, 2.0]), ac.tensor([2.0, 6.0]))
    Tensor(2., dtype=float32)
    """
    return loss(model(ac.asarray(x)), ac.asarray(y), reduction="mean")


class RiskEstimate(NamedTuple):
    """A mean over drawn examples, and the standard error of that mean."""

    value: float
    standard_error: float


def expected_risk(
    loss: Loss,
    model: Model,
    sample: Callable[[np.random.Generator, int], tuple[Any, Any]],
    n: int = 100_000,
    seed: int = 0,
) -> RiskEstimate:
    """Expected loss of a model, ``E loss(model(x), y)``, by drawing from the distribution of examples.

    Parameters
    ----------
    loss : callable
        One of :mod:`alice_core.losses`, or what also takes ``reduction="none"``.
    model : callable
        From all inputs at once to predictions.
    sample : callable
        ``sample(generator, n)`` draws n inputs and targets, from NumPy's generator: independently, and of the
        distribution that is meant, which are two things.
    n : int
        Examples to draw, at least 2.
    seed : int

    Returns
    -------
    RiskEstimate
        The value is off by more than three standard errors in 0.3 % of all cases.

    Source: notes, sections 3.1 and 3.2, with erratum E-6: independent draws may still be biased ones.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.bayes import expected_risk
    >>> def sample(rng, n):
    ...     x = rng.normal(size=n)
    ...     return x, 2.0 * x + 0.5 * rng.normal(size=n)
    >>> value, error = expected_risk(ac.losses.mse_loss, lambda x: 2.0 * x, sample)
    >>> abs(value - 0.25) <= 3 * error < 0.005
    True
    """
    if checked_int("expected_risk", "n", n) < 2:
        raise ValueError(f"expected_risk: n must be at least 2; got {n}")
    x, y = sample(np.random.default_rng(seed), n)
    losses = np.asarray(loss(model(ac.asarray(x)), ac.asarray(y), reduction="none").detach().numpy(), np.float64)
    if losses.shape[:1] != (n,):
        raise ac.ShapeError(f"expected_risk: there must be one loss for each of {n} examples; got shape {losses.shape}")
    losses = losses.reshape(n, -1).mean(axis=1)
    return RiskEstimate(float(losses.mean()), float(losses.std(ddof=1) / math.sqrt(n)))


def generalisation_gap(loss: Loss, model: Model, seen: tuple[Any, Any], unseen: tuple[Any, Any]) -> float:
    """How much more a model loses on unseen data than on those that it learned from.

    Parameters
    ----------
    loss, model : callable
        As in :func:`empirical_risk`.
    seen, unseen : pair (x, y)
        Training data, and data of the same distribution that nothing was fitted to: their risk estimates the expected.

    Returns
    -------
    float

    Source: notes, section 3.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.bayes import generalisation_gap
    >>> seen, unseen = ([1.0, 2.0], [1.0, 2.0]), ([3.0], [5.0])
    >>> generalisation_gap(ac.losses.mse_loss, lambda x: x, seen, unseen)
    4.0
    """
    risks = [float(empirical_risk(loss, model, *data)) for data in (unseen, seen)]
    return risks[0] - risks[1]


# -- likelihood --------------------------------------------------------------------------------------------------------


def maximum_likelihood(
    log_likelihood: Callable[..., ac.Tensor], start: Any, data: Sequence[Any] = ()
) -> MinimizeResult:
    """The parameters that make the data most probable: ``arg max Σ_i log p(y_i | x_i, w)``.

    Parameters
    ----------
    log_likelihood : callable
        ``log_likelihood(w, *data)``: the logarithm of the probability, or density, of each example, or their sum.
    start : tree of Tensor or array
        Where to begin, floating.
    data : sequence of Tensor or array
        Passed on.

    Returns
    -------
    MinimizeResult
        Of the negative log-likelihood: ``x`` is the tree of parameters, ``fun`` the least value.

    Source: notes, section 3.2, with errata E-10 (the product is over n) and E-13 (maximise, or minimise the negative).

    Examples
    --------
    A coin that shows three heads out of four:

    >>> import alice_core as ac
    >>> import numpy as np
    >>> from alice_core.bayes import maximum_likelihood
    >>> heads = np.array([1.0, 1.0, 0.0, 1.0])
    >>> def log_likelihood(logit, y):
    ...     return -ac.losses.binary_cross_entropy_with_logits(ac.broadcast_to(logit, y.shape), y, reduction="none")
    >>> found = maximum_likelihood(log_likelihood, np.array(0.0), [heads])
    >>> ac.sigmoid(found.x)
    Tensor(0.75, dtype=float64)
    """
    return maximum_a_posteriori(log_likelihood, _uniform, start, data)


def maximum_a_posteriori(
    log_likelihood: Callable[..., ac.Tensor],
    log_prior: Callable[[Any], ac.Tensor],
    start: Any,
    data: Sequence[Any] = (),
) -> MinimizeResult:
    """The most probable parameters, given the data: ``arg max Σ_i log p(y_i | x_i, w) + log p(w)``.

    The evidence, by which Bayes' theorem divides, does not depend on w. A uniform prior leaves maximum likelihood.

    Parameters
    ----------
    log_likelihood, start, data
        As in :func:`maximum_likelihood`.
    log_prior : callable
        ``log_prior(w)``: the logarithm of the density of the tree of parameters, up to a constant; see
        :func:`gaussian_log_prior`.

    Returns
    -------
    MinimizeResult
        Of the negative logarithm of the posterior, up to a constant.

    Source: notes, section 3.3.

    Examples
    --------
    >>> import alice_core as ac
    >>> import numpy as np
    >>> from alice_core.bayes import gaussian_log_prior, maximum_a_posteriori
    >>> def log_likelihood(w, y):
    ...     return -ac.losses.gaussian_nll(ac.broadcast_to(w, y.shape), y, reduction="none")
    >>> found = maximum_a_posteriori(log_likelihood, gaussian_log_prior, np.array(0.0), [np.array([3.0, 3.0])])
    >>> found.x  # shrunk from 3: the prior counts as much as one example at 0
    Tensor(2., dtype=float64)
    """
    for f in (log_likelihood, log_prior):
        check_function("maximum_a_posteriori", f, "pass functions of the parameters")

    def objective(w: Any, *data: Any) -> ac.Tensor:
        return ac.negative(ac.add(ac.sum(log_likelihood(w, *data)), log_prior(w)))

    return minimize(objective, start, [ac.asarray(x) for x in data], gtol=1e-10, ftol=0.0)


def _uniform(w: Any) -> ac.Tensor:
    return ac.tensor(0.0, ac.float64)


def _total_square(w: Any) -> ac.Tensor:
    total = ac.tensor(0.0, ac.float64)
    for leaf in leaves(w):
        total = total + ac.sum(ac.square(ac.astype(ac.asarray(leaf), ac.float64)))
    return total


def gaussian_log_prior(w: Any, scale: Any = 1.0) -> ac.Tensor:
    """Log-density of independent normal parameters around 0: ``-|w|² / (2 scale²) - d log(scale sqrt(2π))``.

    With a normal likelihood of variance σ² the most probable w is that of ridge regression with
    ``alpha = σ² / scale²``.

    Parameters
    ----------
    w : tree of Tensor
    scale : float or Tensor
        Standard deviation, positive.

    Returns
    -------
    Tensor, 0-d, float64

    Gradient
        ``-w / scale²``, and by scale.

    Source: notes, sections 3.3 and 4.1.5.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.bayes import gaussian_log_prior
    >>> gaussian_log_prior(ac.tensor([1.0, 0.0]), scale=2.0)
    Tensor(-3.34917143, dtype=float64)
    """
    s = ac.astype(ac.asarray(checked_positive("gaussian_log_prior", "scale", scale)), ac.float64)
    d = sum(int(np.prod(np.shape(leaf))) for leaf in leaves(w))
    constant = ac.multiply(ac.add(ac.log(s), 0.5 * math.log(2 * math.pi)), float(d))
    return ac.subtract(ac.negative(ac.divide(_total_square(w), ac.multiply(ac.square(s), 2.0))), constant)


def norm_log_prior(w: Any) -> ac.Tensor:
    """The notes' prior ``p(w) ∝ 1 / |w|``: ``-log |w|``.

    It is improper: no constant makes it integrate to 1, near 0 or far away, and it grows without bound towards 0, so
    that the most probable w may be 0 whatever the data. :func:`gaussian_log_prior` is what one wants.

    Parameters
    ----------
    w : tree of Tensor

    Returns
    -------
    Tensor, 0-d, float64
        inf at 0.

    Gradient
        ``-w / |w|²``.

    Source: notes, section 3.3.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.bayes import norm_log_prior
    >>> ac.grad(norm_log_prior)(ac.tensor([3.0, 4.0]))
    Tensor([-0.12, -0.16], dtype=float32)
    """
    return ac.multiply(ac.log(_total_square(w)), -0.5)


# -- models that can be listed ---------------------------------------------------------------------------------------


class Posterior(NamedTuple):
    """Probabilities of models, given the data, and the logarithm of the probability of the data."""

    probabilities: ac.Tensor
    log_evidence: ac.Tensor


def bayes_rule(log_prior: Any, log_likelihood: Any) -> Posterior:
    """Bayes' theorem for models that can be listed: ``p(f | S) = p(S | f) p(f) / Σ_f p(S | f) p(f)``.

    Parameters
    ----------
    log_prior, log_likelihood : array_like, shape (models,)
        Logarithms: likelihoods of many examples underflow, their logarithms do not.

    Returns
    -------
    Posterior

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If the prior does not sum to 1.

    Source: notes, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from alice_core.bayes import bayes_rule
    >>> found = bayes_rule(np.log([0.5, 0.5]), np.log([0.8, 0.2]))
    >>> found.probabilities, float(np.exp(found.log_evidence.numpy()).round(12))
    (Tensor([0.8, 0.2], dtype=float64), 0.5)
    """
    p, s = (ac.asarray(x) for x in (log_prior, log_likelihood))
    if p.ndim != 1 or p.shape != s.shape:
        raise ac.ShapeError(f"bayes_rule: both must have shape (models,); got {p.shape} and {s.shape}")
    known = ac.checks.known_values(p)
    if known is not None and not abs(np.exp(known).sum() - 1) <= 1e-3:
        raise ValueError(f"bayes_rule: the prior must sum to 1; got {np.exp(known).sum():.6g}; pass its logarithm")
    joint = p + s
    return Posterior(ac.softmax(joint), ac.logsumexp(joint))


def predictive_average(predictions: Any, weights: Any = None) -> ac.Tensor:
    """What all models together predict: ``p(y | x) = Σ_i p(y | f_i, x) p(f_i | S)``.

    There are two right forms. Models **drawn** from the posterior come as often as they are probable: without weights,
    the mean. Models that are **listed** need their posterior probabilities as weights. The notes print a mixture,
    weights and a division by k too, which makes everything k times too small.

    Parameters
    ----------
    predictions : Tensor, shape (k, ...)
        Of each model.
    weights : Tensor, shape (k,), optional
        Posterior probabilities, with a sum of 1. None: the models were drawn from the posterior.

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    ShapeError
        If there is not one weight per model.
    ValueError
        If weights are negative or do not sum to 1.

    Source: notes, section 3.3, with erratum E-11.

    Examples
    --------
    >>> from alice_core.bayes import predictive_average
    >>> predictive_average([0.9, 0.2], weights=[0.7, 0.3])
    Tensor(0.69, dtype=float32)
    """
    p = ac.asarray(predictions)
    if p.ndim == 0 or p.shape[0] == 0:
        raise ac.ShapeError(f"predictive_average: predictions must have shape (k, ...), k at least 1; got {p.shape}")
    if weights is None:
        return ac.mean(p, axis=0)
    p = p if p.dtype.kind == "f" else ac.astype(p, ac.get_default_dtype())
    w = ac.astype(ac.asarray(weights), p.dtype)
    if w.shape != p.shape[:1]:
        raise ac.ShapeError(
            f"predictive_average: weights must have shape ({p.shape[0]},), one per model; got {w.shape}"
        )
    known = ac.checks.known_values(w)
    if known is not None and not ((known >= 0).all() and abs(known.sum() - 1) <= 1e-3):
        raise ValueError(
            f"predictive_average: weights must not be negative and sum to 1; got {known}, sum {known.sum():.6g}"
        )
    return ac.tensordot(w, p, axes=1)
