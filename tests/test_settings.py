"""Attributes that steer something: what nobody reads cannot be set."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import alice_core as ac
from alice_core import nn, optim

OPTIMISERS = [
    optim.SGD, optim.Adam, optim.AdamW, optim.NAdam, optim.Adagrad, optim.RMSProp, optim.Lion, optim.Optimizer,
]  # fmt: skip
# What numbers are called here or elsewhere.
NAMES = {name for kind in OPTIMISERS for name in kind._numbers}
NAMES |= {"learning_rate", "betas", "beta", "alpha", "rho", "decay", "clipnorm", "epsilon", "maximize", "lr_", "params"}


def made(kind: Any) -> Any:
    return kind([nn.Parameter([1.0, 2.0])], lr=0.5)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_numbers_of_optimisers_are_set_or_refused(kind: Any) -> None:
    own = set(kind._numbers)
    for name in sorted(NAMES):
        opt = made(kind)
        if name in own - kind._kept:
            value = opt.param_groups[0][name]
            setattr(opt, name, value)
            assert getattr(opt, name) == opt.param_groups[0][name] == value
        elif name not in own:
            with pytest.raises(AttributeError, match=rf"{kind.__name__}: expected lr.* to be set; got {name}; "):
                setattr(opt, name, 0.5)
            assert name == "params" or not hasattr(opt, name)
            assert opt.state_dict().keys() == made(kind).state_dict().keys()
        with pytest.raises(AttributeError, match=rf"ParamGroup: .* items; got the attribute {name}; write group"):
            setattr(opt.param_groups[0], name, 0.5)


def test_what_was_meant_is_named() -> None:
    for opt, name, meant in (
        (made(optim.SGD), "learning_rate", "lr"),
        (made(optim.SGD), "weight_deacy", "weight_decay"),
        (made(optim.Adam), "betas", "beta."),
        (made(optim.Adam), "wd", "weight_decay"),
        (nn.Dropout(0.5), "P", "p"),
        (nn.LayerNorm(3), "epsilon", "eps"),
        (nn.ReLU(), "trainning", "training"),
        (optim.EMA([nn.Parameter(1.0)]), "decy", "decay"),
    ):
        with pytest.raises(AttributeError, match=rf"got {name}; (write {meant}$|attributes of your own)"):
            setattr(opt, name, 0.1)


LAYERS: dict[str, Any] = {
    "Linear": lambda: nn.Linear(2, 3),
    "Dropout": lambda: nn.Dropout(0.5),
    "LayerNorm": lambda: nn.LayerNorm(3),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "LeakyReLU": lambda: nn.LeakyReLU(0.1),
    "Softmax": lambda: nn.Softmax(),
    "GELU": lambda: nn.GELU(),
    "MLP": lambda: nn.MLP([2, 3]),
    "Conv2d": lambda: nn.Conv2d(1, 1, 3),
    "MultiheadAttention": lambda: nn.MultiheadAttention(4, 2),
    "LSTM": lambda: nn.LSTM(2, 3),
    "Embedding": lambda: nn.Embedding(3, 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_settings_of_layers_are_those_that_they_have(name: str) -> None:
    layer = LAYERS[name]()
    for setting, value in list(vars(layer).items()):
        setattr(layer, setting, value)
    for unknown, value in (("drop_rate", 0.5), ("temprature", 2.0), ("track", True), ("mode", "tanh"), ("axes", 1)):
        with pytest.raises(
            AttributeError, match=rf"{type(layer).__name__}: expected training.* to be set; got {unknown};"
        ):
            setattr(layer, unknown, value)
    layer.mask, layer._note = ac.ones(2), "mine"  # a Tensor is state, and private names are free
    assert "mask" in layer.state_dict()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.state_dict().keys() == layer.state_dict().keys()


def test_other_objects_refuse_what_they_do_not_read() -> None:
    batches = ac.data.minibatches(ac.ones((4, 2)), ac.ones(4), 2)
    rate = optim.schedules.cosine(0.1, 10)
    ema = optim.EMA([nn.Parameter(1.0)])
    for target, name in ((batches, "batch_size"), (rate, "factor"), (ema, "averages"), (ema, "rate")):
        with pytest.raises(AttributeError, match=rf"expected (nothing|decay) to be set; got {name}"):
            setattr(target, name, 1)
    twin = copy.deepcopy(optim.SGD([nn.Parameter(1.0)], lr=rate))
    assert twin.lr == rate(0) == 0.1


def test_classes_of_users_may_have_attributes_of_their_own() -> None:
    class Mine(optim.SGD):
        pass

    class Layer(nn.Dropout):
        pass

    class Model(nn.Module):
        pass

    for target in (made(Mine), Layer(0.5), Model()):
        target.note, target.rate = "mine", 0.5
        assert (target.note, target.rate) == ("mine", 0.5)
