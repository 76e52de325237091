"""Multilayer perceptrons as estimators: ``fit`` trains on minibatches with one compiled program per step.

Parameters have scikit-learn's names and defaults. Everything is computed in float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

import alice_core as ac

from .checks import checked_choice, checked_flag, checked_int, checked_number
from .estimators import Array, Classifier, ConvergenceWarning, Estimator, Regressor
from .extras import require

__all__ = ["MLPClassifier", "MLPRegressor"]

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "softplus")
SOLVERS = ("adam", "sgd")


class _Perceptron(Estimator):
    """What both estimators do: epochs of compiled steps, and when to end."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate_init: float = 1e-3,
        momentum: float = 0.9,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    @staticmethod  # compiled steps look at what it reads, and should not see the estimator change
    def _loss(outputs: ac.Tensor, targets: ac.Tensor, reduction: str) -> ac.Tensor:
        raise NotImplementedError

    def _validation_score(self, x: Array, y: Array, weights: Array | None) -> float:
        raise NotImplementedError

    # -- arguments ----------------------------------------------------------------------------------------------------

    def _check_arguments(self) -> None:
        name = type(self).__name__
        checked_choice(name, "activation", self.activation, ACTIVATIONS)
        checked_choice(name, "solver", self.solver, SOLVERS)
        for what, least in (("max_iter", 1), ("n_iter_no_change", 1)):
            if checked_int(name, what, getattr(self, what)) < least:
                raise ValueError(f"{name}: {what} must be at least {least}; got {getattr(self, what)}")
        for what in ("alpha", "learning_rate_init", "momentum", "tol"):
            if not checked_number(name, what, getattr(self, what)) >= 0:
                raise ValueError(f"{name}: {what} must not be negative; got {getattr(self, what)}")
        if self.momentum > 1:
            raise ValueError(f"{name}: momentum must be at most 1; got {self.momentum}")
        for what in ("shuffle", "early_stopping", "verbose"):
            checked_flag(name, what, getattr(self, what))
        if not 0 < checked_number(name, "validation_fraction", self.validation_fraction) < 1:
            raise ValueError(f"{name}: validation_fraction must be between 0 and 1; got {self.validation_fraction}")
        if self.batch_size != "auto" and checked_int(name, "batch_size", self.batch_size) < 1:
            raise ValueError(f'{name}: batch_size must be at least 1, or "auto"; got {self.batch_size}')

    def _hidden(self) -> list[int]:
        given = self.hidden_layer_sizes
        sizes = list(given) if isinstance(given, Iterable) else [given]
        found = [checked_int(type(self).__name__, "hidden_layer_sizes", size) for size in sizes]
        if any(size < 1 for size in found):
            raise ValueError(f"{type(self).__name__}: hidden_layer_sizes must be at least 1; got {given}")
        return found

    def _seed(self) -> int:
        """The seed of starting values, of the split and of the order of examples."""
        state: Any = self.random_state
        if hasattr(state, "randint"):  # a numpy RandomState, as scikit-learn passes them on
            return int(state.randint(2**31))
        if state is None:
            return int(np.random.default_rng().integers(2**31))
        seed = checked_int(type(self).__name__, "random_state", state)
        if seed < 0:
            raise ValueError(f"{type(self).__name__}: random_state must be at least 0; got {seed}")
        return seed

    # -- training -----------------------------------------------------------------------------------------------------

    def _begin(self, features: int, outputs: int) -> None:
        """A new network, its optimiser, and the program of a step."""
        self._seed_ = self._seed()
        sizes = [features, *self._hidden(), outputs]
        self.model_ = ac.nn.MLP(sizes, activation=self.activation, seed=self._seed_, dtype=ac.float32)
        parameters = list(self.model_.parameters())
        groups = [{"params": [p for p in parameters if p.ndim == ndim]} for ndim in (2, 1)]  # alpha pulls the first
        if self.solver == "adam":
            self._opt_: Any = ac.optim.Adam(groups, lr=self.learning_rate_init)
        else:
            self._opt_ = ac.optim.SGD(groups, lr=self.learning_rate_init, momentum=self.momentum)
        self._step_, self._alpha_ = self._compiled_step(), self.alpha
        self.n_iter_ = 0
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] = []

    def _adopt(self) -> None:
        """What may be set anew between two calls of partial_fit."""
        self._opt_.lr = self.learning_rate_init
        if self.alpha != self._alpha_:
            self._step_, self._alpha_ = self._compiled_step(), self.alpha

    def _compiled_step(self) -> Any:
        model, opt, loss_of, alpha = self.model_, self._opt_, self._loss, float(self.alpha)
        matrices = opt.param_groups[0].params

        @ac.compile
        def step(x: ac.Tensor, y: ac.Tensor, *weights: ac.Tensor) -> ac.Tensor:
            if weights:
                losses = loss_of(model(x), y, "none")
                loss = ac.mean(ac.multiply(ac.mean(ac.reshape(losses, (x.shape[0], -1)), axis=1), weights[0]))
            else:
                loss = loss_of(model(x), y, "mean")
            opt.zero_grad()
            loss.backward()  # of the loss alone: the optimiser adds the pull of alpha to the gradients
            if alpha:
                pull = [w @ w for w in (ac.reshape(p.detach(), (-1,)) for p in matrices)]
                loss = loss + ac.multiply(sum(pull[1:], pull[0]), 0.5 * alpha / x.shape[0])
            opt.step()
            return loss

        return step

    def _epoch(self, batches: ac.data.Minibatches, n: int) -> float:
        """One pass over the data; the mean loss."""
        total = 0.0
        pulled = self._opt_.param_groups[0]
        for batch in batches:
            rows = batch[0].shape[0]
            if pulled["weight_decay"] != self._alpha_ / rows:  # the last batch may be smaller
                pulled["weight_decay"] = self._alpha_ / rows
            total += self._step_(*batch).item() * rows
        self.n_iter_ += 1
        self.loss_ = total / n
        self.loss_curve_.append(self.loss_)
        if not np.isfinite(self.loss_):
            raise ValueError(
                f"{type(self).__name__}: the loss must stay finite; got {self.loss_} in epoch {self.n_iter_}; "
                f"standardise the features, or lower learning_rate_init"
            )
        return self.loss_

    def _batches(self, x: Array, y: Array, weights: Array | None = None) -> ac.data.Minibatches:
        size = min(200, len(x)) if self.batch_size == "auto" else min(int(self.batch_size), len(x))
        relative = None if weights is None else (weights / weights.mean()).astype(np.float32)
        inputs = ac.asarray(x, copy=False)  # they may be many; nobody writes to them before the epoch ends
        return ac.data.minibatches(inputs, y, size, self.shuffle, self._seed_ + self.n_iter_, weights=relative)

    def _train(self, x: Array, y: Array, weights: Array | None) -> None:
        count = 0
        if self.early_stopping:
            count = max(1, round(self.validation_fraction * len(x)))
            if count >= len(x):
                raise ValueError(
                    f"{type(self).__name__}: early_stopping needs rows to hold back; got {len(x)} in all, of which "
                    f"validation_fraction takes {count}"
                )
            order = np.random.default_rng(self._seed_).permutation(len(x))
            x, y, weights = x[order], y[order], None if weights is None else weights[order]
        held = (x[:count], y[:count], None if weights is None else weights[:count])
        batches = self._batches(x[count:], y[count:], None if weights is None else weights[count:])
        n = len(x) - count
        best, waited, kept = -np.inf, 0, None
        for _ in self._progress():
            merit = -self._epoch(batches, n)
            if count:
                merit = self._validation_score(*held)
                self.validation_scores_.append(merit)
            waited = 0 if merit > best + self.tol else waited + 1
            if merit > best:
                best = merit
                kept = [np.array(p.numpy()) for p in self.model_.parameters()] if self.early_stopping else None
            if waited >= self.n_iter_no_change:
                break
        else:
            warnings.warn(
                f"{type(self).__name__}: not converged after max_iter={self.max_iter} epochs",
                ConvergenceWarning,
                stacklevel=4,
            )
        if kept is not None:
            for p, value in zip(self.model_.parameters(), kept, strict=True):
                p.assign_(ac.asarray(value))
            self.best_validation_score_ = best

    def _progress(self) -> Iterable[int]:
        epochs = range(self.max_iter)
        if not self.verbose:
            return epochs
        bar: Iterable[int] = require("tqdm", "tqdm", type(self).__name__).tqdm(epochs, desc="epochs")
        return bar

    def _outputs(self, x: Array) -> ac.Tensor:
        with ac.no_grad():
            outputs: ac.Tensor = self.model_(ac.asarray(x))
        return outputs

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, of shape (in, out)."""
        return [np.array(p.numpy()) for p in self.model_.parameters() if p.ndim == 2]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer."""
        return [np.array(p.numpy()) for p in self.model_.parameters() if p.ndim == 1]

    # -- copies: programs are made anew, and parameters with them ----------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if "model_" in state:
            del state["_step_"], state["model_"], state["_opt_"]
            state["_sizes_"] = [self.coefs_[0].shape[0], self.coefs_[-1].shape[1]]
            state["_weights_"] = [np.array(p.numpy()) for p in self.model_.parameters()]
            state["_memory_"] = self._opt_.state_dict()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        sizes, weights, memory = (state.pop(k, None) for k in ("_sizes_", "_weights_", "_memory_"))
        self.__dict__.update(state)
        if sizes is None:
            return
        kept = {k: state[k] for k in ("_seed_", "n_iter_", "loss_curve_", "validation_scores_")}
        self._begin(*sizes)
        self.__dict__.update(kept)
        for p, value in zip(self.model_.parameters(), weights, strict=True):
            p.assign_(ac.asarray(value))
        self._opt_.load_state_dict(memory)


class MLPClassifier(_Perceptron, Classifier):
    """Classes by a multilayer perceptron with a softmax: minimises the mean cross-entropy plus ``alpha |W|² / 2n``.

    n is the size of the minibatch.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, or int
        Neurons of each hidden layer.
    activation : {"relu", "tanh", "sigmoid", "gelu", "silu", "elu", "softplus"}
    solver : {"adam", "sgd"}
    alpha : float
        Pull of the weights towards zero.
    batch_size : int or "auto"
        "auto": at most 200.
    learning_rate_init : float
    momentum : float
        Of "sgd".
    max_iter : int
        Epochs at most; fit warns if they were not enough.
    shuffle : bool
        A new order for each epoch.
    random_state : int, optional
        Seed of starting values, of the order and of the rows held back. None: another one each time.
    tol : float
        By how much the loss must fall, or the validation score rise, to count.
    verbose : bool
        Show a progress bar; needs tqdm (extra ``demo``).
    early_stopping : bool
        Hold ``validation_fraction`` of the rows back, end when the score on them no longer rises, and keep the weights
        that had the best one. Otherwise the end comes when the training loss no longer falls.
    validation_fraction : float
    n_iter_no_change : int
        How many epochs in a row may fail to count.

    Attributes
    ----------
    model_ : alice_core.nn.MLP
    coefs_, intercepts_ : list of numpy.ndarray
        Weights (in, out) and biases of each layer.
    classes_ : numpy.ndarray
    loss_ : float
        Of the last epoch; ``loss_curve_`` has all, ``validation_scores_`` the accuracies on what was held back.
    n_iter_ : int
        Epochs so far.
    n_features_in_ : int

    Raises
    ------
    ValueError
        If an argument is out of range, data are not finite, or the loss does not stay finite.
    ShapeError
        If X is not 2-d, or y does not fit.

    Source
    ------
    Notes, chapter 5; Kingma, Ba, "Adam: a method for stochastic optimization", 2015.

    Examples
    --------
    >>> from alice_core.neural_network import MLPClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["even", "odd", "odd", "even"]
    >>> model = MLPClassifier((16,), learning_rate_init=0.05, tol=1e-3, max_iter=500, random_state=0).fit(X, y)
    >>> model.predict([[1.0, 0.0]])
    array(['odd'], dtype='<U4')
    """

    @staticmethod
    def _loss(outputs: ac.Tensor, targets: ac.Tensor, reduction: str) -> ac.Tensor:
        return ac.losses.cross_entropy(outputs, targets, reduction)

    def _validation_score(self, x: Array, y: Array, weights: Array | None) -> float:
        return float(np.average(self._outputs(x).numpy().argmax(axis=1) == y, weights=weights))

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Learn from X of shape (n, features) and labels y of shape (n,), from new starting values.

        ``sample_weight``, of shape (n,), is by how much each row counts, compared with their mean; rows of weight 0 are
        as if they were not there.
        """
        self._check_arguments()
        x, labels, weights = self.without_weightless(*self.checked_data(X, y, np.float32), sample_weight)
        index = self.encoded(labels)
        self._begin(x.shape[1], len(self.classes_))
        self._train(x, index, weights)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MLPClassifier:
        """Learn for one epoch more, with the ``alpha`` and the ``learning_rate_init`` that are set now.

        The first call needs all ``classes``, unless there was a fit before.
        """
        self._check_arguments()
        first = not self.__sklearn_is_fitted__()
        if first:
            if classes is None:
                raise ValueError(
                    "MLPClassifier: the first call of partial_fit needs classes, all labels that will come"
                )
            x, labels = self.checked_data(X, y, np.float32)
            self.encoded(np.asarray(classes))
            self._begin(x.shape[1], len(self.classes_))
        else:
            x, labels = self.checked_features(X, False, np.float32), self.checked_labels(y)
            self.checked_length(x, labels)
            if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
                raise ValueError(
                    f"MLPClassifier: classes must be those of the first call, {self.classes_.tolist()}; got "
                    f"{np.asarray(classes).tolist()}"
                )
            self._adopt()
        index = np.searchsorted(self.classes_, labels).clip(0, len(self.classes_) - 1)
        wrong = self.classes_[index] != labels
        if wrong.any():
            raise ValueError(
                f"MLPClassifier: y must be of the classes of the first call; got {labels[wrong].tolist()[0]!r}"
            )
        x, index, weights = self.without_weightless(x, index, sample_weight)
        self._epoch(self._batches(x, index, weights), len(x))
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n, classes), in the order of ``classes_``."""
        x = self.checked_features(X, False, np.float32)
        probabilities: Array = ac.softmax(self._outputs(x).astype(ac.float64), axis=1).numpy()
        return probabilities


class MLPRegressor(_Perceptron, Regressor):
    """Numbers by a multilayer perceptron: minimises half of the mean squared loss plus ``alpha |W|² / 2n``.

    n is the size of the minibatch. Parameters and attributes are those of :class:`MLPClassifier`, without classes;
    validation scores are coefficients of determination.

    Examples
    --------
    >>> import numpy as np
    >>> from alice_core.neural_network import MLPRegressor
    >>> x = np.linspace(-1.0, 1.0, 64)[:, None]
    >>> model = MLPRegressor((32,), "tanh", learning_rate_init=0.02, tol=1e-6, max_iter=1000, random_state=0)
    >>> bool(model.fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.98)
    True
    """

    @staticmethod
    def _loss(outputs: ac.Tensor, targets: ac.Tensor, reduction: str) -> ac.Tensor:
        return ac.multiply(ac.losses.mse_loss(outputs, targets, reduction), 0.5)

    def _validation_score(self, x: Array, y: Array, weights: Array | None) -> float:
        rows = np.ones(len(x)) if weights is None else weights
        left = (rows @ (self._outputs(x).numpy() - y) ** 2).sum()
        total = (rows @ (y - np.average(y, axis=0, weights=rows)) ** 2).sum()
        return 1.0 - float(left) / float(total) if total > 0 else -float(left)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Learn from X of shape (n, features) and y of shape (n,) or (n, k), from new starting values.

        ``sample_weight``: as in :meth:`MLPClassifier.fit`.
        """
        self._check_arguments()
        x, targets, weights = self.without_weightless(*self.checked_data(X, y, np.float32), sample_weight)
        self._flat_ = targets.ndim == 1
        pairs = targets.reshape(len(x), -1)
        self._begin(x.shape[1], pairs.shape[1])
        self._train(x, pairs, weights)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Learn for one epoch more, with the ``alpha`` and the ``learning_rate_init`` that are set now."""
        self._check_arguments()
        first = not self.__sklearn_is_fitted__()
        if not first:
            self.checked_features(X, False, np.float32)
        x, targets = self.checked_data(X, y, np.float32)
        pairs = targets.reshape(len(x), -1)
        if first:
            self._flat_ = targets.ndim == 1
            self._begin(x.shape[1], pairs.shape[1])
        elif pairs.shape[1] != self.intercepts_[-1].size:
            raise ac.ShapeError(
                f"MLPRegressor: y must have as many outputs as in the first call, {self.intercepts_[-1].size}; got "
                f"{targets.shape}"
            )
        else:
            self._adopt()
        x, pairs, weights = self.without_weightless(x, pairs, sample_weight)
        self._epoch(self._batches(x, pairs, weights), len(x))
        return self

    def predict(self, X: Any) -> Array:
        """The predicted numbers, of shape (n,) or (n, k)."""
        x = self.checked_features(X, False, np.float32)
        outputs: Array = self._outputs(x).numpy().astype(np.float64)
        return outputs[:, 0] if self._flat_ else outputs
