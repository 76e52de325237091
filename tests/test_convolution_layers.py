"""Convolution and pooling layers: names, shapes and starting values as PyTorch has them, and a LeNet that learns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from windows_reference import conv, conv_transpose


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_parameters_are_those_of_pytorch(rank: int, transposed: bool) -> None:
    kind = getattr(ac.nn, f"Conv{'Transpose' if transposed else ''}{rank}d")
    layer = kind(4, 6, 3, groups=2, seed=0)
    first, second = (4, 3) if transposed else (6, 2)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {
        "weight": (first, second, *(3,) * rank),
        "bias": (6,),
    }
    bound = 1 / math.sqrt(second * 3**rank)
    w = layer.weight.numpy()
    assert bound / 2 < np.abs(w).max() <= bound
    assert abs(w.mean()) < bound / 3
    assert np.abs(layer.bias.numpy()).max() <= bound
    assert list(kind(4, 6, 3, bias=False).state_dict()) == ["weight"]
    x = np.random.default_rng(0).standard_normal((2, 4, *(5,) * rank)).astype(np.float32)
    reference = conv_transpose if transposed else conv
    want = reference(x, w, groups=2) + layer.bias.numpy().reshape(-1, *(1,) * rank)
    np.testing.assert_allclose(layer(ac.tensor(x)).numpy(), want, rtol=1e-4, atol=1e-5)


def test_layers_say_what_they_are() -> None:
    assert repr(ac.nn.Conv2d(3, 8, 3, stride=2, padding=1)) == ("Conv2d(3, 8, kernel_size=(3, 3), stride=2, padding=1)")
    assert repr(ac.nn.ConvTranspose1d(4, 6, 2, groups=2, bias=False)) == (
        "ConvTranspose1d(4, 6, kernel_size=(2,), groups=2, bias=False)"
    )
    assert repr(ac.nn.MaxPool2d(3, stride=2)) == "MaxPool2d(3, stride=2)"
    assert repr(ac.nn.AdaptiveAvgPool2d((1, 1))) == "AdaptiveAvgPool2d((1, 1))"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ac.nn.Conv2d(3, 4, 3, groups=2),
            r"Conv2d: channels must be at least 1, and groups divide both; got in 3",
        ),
        (lambda: ac.nn.Conv1d(0, 4, 3), r"Conv1d: channels must be at least 1"),
        (lambda: ac.nn.Conv3d(1, 1, (3, 3)), r"Conv3d: kernel_size must be one number of at least 1, or 3 of them"),
        (lambda: ac.nn.Conv2d(3, 4, 3)(ac.zeros((1, 2, 8, 8))), r"conv2d: weight must have shape .* got weight \(4, 3"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ac.ShapeError, match=message):
        make()


def test_a_wider_input_is_refused() -> None:
    with pytest.raises(ac.DTypeError, match="Conv2d: expected inputs of dtype float32"):
        ac.nn.Conv2d(1, 1, 1)(ac.zeros((1, 1, 2, 2), ac.float64))


@pytest.mark.parametrize("name", ["MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pooling_layers_call_their_function(name: str, rank: int) -> None:
    function = {
        "MaxPool": "max_pool", "AvgPool": "avg_pool", "AdaptiveAvgPool": "adaptive_avg_pool",
        "AdaptiveMaxPool": "adaptive_max_pool",
    }[name]  # fmt: skip
    x = ac.tensor(np.random.default_rng(1).standard_normal((2, 3, *(6,) * rank)))
    got, want = getattr(ac.nn, f"{name}{rank}d")(2)(x), getattr(ac, f"{function}{rank}d")(x, 2)
    assert np.array_equal(got.numpy(), want.numpy())


class LeNet(ac.nn.Module):
    def __init__(self) -> None:
        self.features = ac.nn.Sequential(
            ac.nn.Conv2d(1, 6, 5, padding=2), ac.nn.ReLU(), ac.nn.MaxPool2d(2),
            ac.nn.Conv2d(6, 16, 3, padding=1), ac.nn.ReLU(), ac.nn.MaxPool2d(2), ac.nn.Flatten(),
        )  # fmt: skip
        self.classifier = ac.nn.MLP([64, 120, 84, 10])

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return self.classifier(self.features(x))


def test_lenet_learns_digits_compiled_with_the_bits_of_eager() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    mixed = np.random.default_rng(0).permutation(len(labels))  # those of one writer lie together
    x, labels = (images[mixed].reshape(-1, 1, 8, 8) / 16).astype(np.float32), labels[mixed]

    def trained(compiled: bool, epochs: int) -> tuple[Any, list[bytes]]:
        ac.nn.manual_seed(0)
        model = LeNet()
        opt = ac.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

        def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
            loss = ac.losses.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        run = ac.compile(step) if compiled else step
        for epoch in range(epochs):
            order = np.random.default_rng(epoch).permutation(1440)
            for i in range(0, 1440, 32):
                run(ac.tensor(x[order[i : i + 32]]), ac.tensor(labels[order[i : i + 32]]))
        return model, [p.numpy().tobytes() for p in model.parameters()]

    assert trained(False, 1)[1] == trained(True, 1)[1]
    model, _ = trained(True, 12)
    found = ac.argmax(model(ac.tensor(x[1440:])), axis=1).numpy()
    assert np.mean(found == labels[1440:]) > 0.93
