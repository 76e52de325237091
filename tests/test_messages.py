"""What newcomers type by mistake, or by habit from NumPy and PyTorch, is refused by name and with a remedy."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

import alice_core as ac

X = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
V = ac.tensor([1.0, 2.0])
P = ac.nn.Parameter([1.0, 2.0])
MODEL = ac.nn.MLP([2, 3, 2])
A = np.ones(2)


def add_in_place(t):
    a = np.ones(2)
    a += t
    return a


def by_value(v):
    y = v * 2.0
    if y.sum() > 0:  # the line
        return y
    return -y


def step_that_sets_the_rate():
    opt = ac.optim.SGD([P], 0.1)

    @ac.compile
    def step(x):
        opt.lr = 0.01
        return x

    return step(V)


def step_that_reads_the_rate():
    opt = ac.optim.SGD([P], 0.1)
    return ac.compile(lambda x: x * opt.lr)(V)


def custom_rule_by_value():
    f = ac.custom_vjp(lambda x: x * 2.0)
    f.defvjp(lambda x: (f(x), None), lambda res, g: (by_value(g),))
    return ac.jacrev(f)(V)


D, S, G, T, A_ = ac.DTypeError, ac.ShapeError, ac.GradientError, ac.TraceError, AttributeError
HERE = r"\(at .*test_messages\.py:\d+: if y\.sum\(\) > 0:"

# snippet, exception, and what the message says of the op, of what was expected, of what came, and of the remedy
MISTAKES = [
    # arguments in the wrong places
    ("ac.zeros(2, 3)", D, "zeros", "dtype must be one of bool", "got 3", r"a tuple: zeros\(\(…, 3\)\)"),
    ("ac.full(2, 3, 4)", D, "full", "dtype must be one of bool", "got 4", r"a tuple: full\(\(…, 4\)\)"),
    ("ac.ones((2,), 'flaot32')", D, "ones", "dtype must be one of bool", "got flaot32", "float32"),
    ("ac.max(X, X)", D, "max", "axis must be an int", r"got Tensor of shape \(2, 2\)", r"ac\.maximum\(x, y\)"),
    ("ac.min(X, A)", D, "min", "axis must be an int", r"got ndarray of shape \(2,\)", r"ac\.minimum\(x, y\)"),
    ("ac.concat(X, X)", D, "concat", "axis must be an int", r"got Tensor of shape \(2, 2\)", r"ac\.concat\(\[x, y\]\)"),
    ("ac.stack(X, X)", D, "stack", "axis must be an int", r"got Tensor of shape \(2, 2\)", r"ac\.stack\(\[x, y\]\)"),
    ("ac.stack(ac.tensor(1.0), V)", D, "stack", "axis must be an int", "got Tensor", r"ac\.stack\(\[x, y\]\)"),
    ("[1, 2] * X", D, "multiply", "expected a Tensor, a NumPy array", "got list", r"ac\.tensor\(\[1, 2\]\) \* x"),
    ("X * [1, 2]", D, "multiply", "expected a Tensor, a NumPy array", "got list", r"ac\.tensor\(\[1, 2\]\) \* x"),
    ("max(X, X)", S, "bool", "expected a Tensor with one element", r"got shape \(2, 2\)", r"ac\.maximum\(x, y\)"),
    ("min(V, V)", S, "bool", "expected a Tensor with one element", r"got shape \(2,\)", r"ac\.minimum\(x, y\)"),
    ("float(V)", S, "float", "expected a Tensor with one element", r"got shape \(2,\)", r"x\[i\].*ac\.sum"),
    # axes and counts that are no ints
    ("ac.sum(X, axis='a')", D, "sum", "an int, a tuple of ints or None", "got str", "must be"),
    ("ac.concat([X, X], axis='a')", D, "concat", "an int", "got str", "must be"),
    ("ac.stack([X, X], axis='a')", D, "stack", "an int", "got 'a'", "must be"),
    ("ac.take(X, [0], 'a')", D, "take", "an int", "got str", "must be"),
    ("ac.tril(X, 'a')", D, "tril", "an int", "got str", "must be"),
    ("ac.diag(V, 'a')", D, "diag", "an int", "got 'a'", "must be"),
    ("ac.one_hot([1], 'a')", D, "one_hot", "an int", "got str", "must be"),
    ("ac.flip(X, axis='a')", D, "flip", "an int or a tuple of ints", "got 'a'", "must be"),
    ("ac.zeros((2, 'a'))", D, "zeros", "an int or a tuple of ints", r"got \(2, 'a'\)", "must be"),
    ("ac.set_num_threads('2')", D, "set_num_threads", "must be an int", "got '2'", r"int\(…\)"),
    ("ac.set_num_threads(2.0)", D, "set_num_threads", "must be an int", r"got 2\.0", r"int\(…\)"),
    ("ac.random.seed('a')", D, "seed", "must be an int", "got 'a'", r"int\(…\)"),
    ("ac.grad(ac.sum, argnums='x')(X)", D, "grad", "argnums must be an int", "got 'x'", r"int\(…\)"),
    ("ac.jacrev(ac.sin, chunk='2')", D, "jacrev", "chunk must be an int", "got '2'", r"int\(…\)"),
    # modules and optimisers
    ("ac.nn.MLP(3)", D, "MLP", "sizes must be a list of ints", "got 3", r"MLP\(\[3, 5, 2\]\)"),
    ("ac.nn.MLP(3, 5, 2)", D, "MLP", "sizes must be a list of ints", "got 3", r"MLP\(\[3, 5, 2\]\)"),
    ("ac.nn.Linear('3', 2)", D, "Linear", "in_features must be an int", "got '3'", r"int\(…\)"),
    ("ac.nn.Linear(3, 2.0)", D, "Linear", "out_features must be an int", r"got 2\.0", r"int\(…\)"),
    ("ac.nn.Dropout('0.5')", D, "Dropout", "p must be a number", r"got '0\.5'", r"float\(…\)"),
    ("ac.nn.Linear(3, 2)(X)", S, "Linear", r"expected inputs of shape \(…, 3\)", r"got \(2, 2\)", "reshape them"),
    ("MODEL([1.0, 2.0])", D, "Linear", "expected a Tensor or a NumPy array", "got list", r"ac\.tensor\(x\)"),
    ("MODEL(3.0)", S, "Linear", r"expected inputs of shape \(…, 2\)", r"got \(\)", "reshape them"),
    ("MODEL('a')", D, "Linear", "expected a Tensor or a NumPy array", "got 'a'", r"ac\.tensor\(x\)"),
    ("ac.nn.MLP([2, 3], activation='rellu')", ValueError, "MLP", "must be one of relu", "got 'rellu'", "or a function"),
    ("P.assign_('a')", D, "assign_", "expected numbers", "got str", "dtype"),
    ("MODEL(ac.tensor(1.0))", S, "Linear", r"expected inputs of shape \(…, 2\)", r"got \(\)", "reshape them"),
    ("ac.optim.SGD(MODEL, 0.1)", D, "SGD", "must be a list of Tensors", "got MLP", r"model\.parameters\(\)"),
    ("ac.optim.SGD(P, 0.1)", D, "SGD", "must be a list of Tensors", "got Tensor of shape", r"write \[p\]"),
    ("ac.optim.SGD(3, 0.1)", D, "SGD", "must be a list of Tensors", "got 3", r"model\.parameters\(\)"),
    ("ac.optim.SGD([P], lr='0.1')", D, "SGD", "lr must be a number", r"got '0\.1'", r"float\(…\)"),
    ("ac.optim.SGD([P], 0.1, momentum=[1])", D, "SGD", "momentum must be a number", "got list", r"float\(…\)"),
    ("step_that_sets_the_rate()", T, "SGD", "outside of traced functions", "got it inside", r"before the call.*\(at "),
    ("step_that_reads_the_rate()", T, "SGD", "outside of traced functions", "got it inside", r"before the call.*\(at "),
    ("P.assign_(ac.ones(3))", S, "assign_", r"broadcasts to \(2,\)", r"got shape \(3,\)", "reshape it"),
    # transforms
    ("ac.grad(by_value(V))", D, "grad", "expected a function", "got Tensor", r"ac\.grad\(f\), not ac\.grad\(f\(x\)\)"),
    ("ac.vmap(V)", D, "vmap", "expected a function", "got Tensor", r"ac\.vmap\(f\), not"),
    ("ac.hessian(3)", D, "hessian", "expected a function", "got 3", r"ac\.hessian\(f\), not"),
    ("ac.compile(V)", D, "compile", "expected a function", "got Tensor", r"ac\.compile\(f\), not"),
    ("ac.checkpoint(V)", D, "checkpoint", "expected a function", "got Tensor", r"ac\.checkpoint\(f\), not"),
    ("ac.vjp(V, V)", D, "vjp", "expected a function", "got Tensor", r"ac\.vjp\(f\), not"),
    ("ac.jvp(V, [V], [V])", D, "jvp", "expected a function", "got Tensor", r"ac\.jvp\(f\), not"),
    ("ac.linearize(V, V)", D, "linearize", "expected a function", "got Tensor", r"ac\.linearize\(f\), not"),
    ("ac.trace(X)", D, "trace", "expected a function", "got Tensor of shape", r"ac\.sum\(ac\.diag\(x\)\)"),
    ("ac.grad(lambda s: V.sum())('abc')", D, "grad", "must hold Tensors", "got 'abc'", "argnums"),
    ("ac.jvp(lambda s: V, ['a'], ['a'])", D, "jvp", "must hold Tensors", "got 'a'", "close over it"),
    ("ac.hessian(ac.sum)(ac.tensor([1, 2]))", D, "hessian", "floating-point", "got int64", r"x\.astype\(ac\.float32\)"),
    ("ac.vmap(by_value)(X)", T, "bool", "not known while tracing", "abstract", r"ac\.where.*" + HERE),
    ("ac.vmap(ac.vmap(by_value))(ac.ones((2, 2, 2)))", T, "bool", "not known", "abstract", r"ac\.where.*" + HERE),
    ("ac.compile(ac.vmap(by_value))(X)", T, "bool", "not known", "abstract", r"ac\.where.*" + HERE),
    ("ac.trace(by_value)(ac.abstract((2,)))", T, "bool", "not known", "abstract", r"ac\.where.*" + HERE),
    ("custom_rule_by_value()", T, "bool", "not known while tracing", "abstract", r"ac\.where.*" + HERE),
    # Tensors
    ("ac.tensor([1.0], requires_grad=True)", D, "tensor", "no keyword requires_grad", "True", r"requires_grad_\("),
    ("ac.tensor([1.0], device='cuda')", ac.DeviceError, "tensor", 'device must be "cpu"', "got 'cuda'", "on the CPU"),
    ("ac.tensor([1.0], order='C')", D, "tensor", "no keyword order", "got order='C'", "leave it out"),
    ("ac.Tensor([1.0])", D, "Tensor", r"expected a call of ac\.tensor", "got one of the class", r"ac\.tensor\(\[1"),
    ("f'{X:.2f}'", S, "format", "expected a Tensor with one element", r"got shape \(2, 2\)", r"x\[0\]:\.2f"),
    ("setattr(V, 'requires_grad', True)", A_, "requires_grad", "a call", "of True", r"requires_grad_\(True\)"),
    ("setattr(V, 'data', 1.0)", A_, "Tensor", "has no attribute", "'data'", r"p\.assign_\(value\)"),
    ("ac.tensor([2**70])", D, "tensor", "an integer dtype holds", "got some from 1180", "dtype=ac.float64"),
    ("ac.tensor(-(2**70))", D, "tensor", "integers that an integer dtype holds", "got some from -1180", "dtype="),
    ("ac.asarray([2**70], ac.int64)", D, "asarray", "an integer dtype", "got some from 1180", "dtype=ac.float64"),
    ("ac.tensor([10**400], ac.float64)", D, "tensor", "a floating dtype holds", "got an integer of 1329 bits", "scale"),
    ("X.flatten('A')", ValueError, "ravel", 'order must be "C" or "F"', "got 'A'", "must be"),
    ("ac.vmap(by_value)(X, in_axes=0)", D, "vmap", "given to vmap itself", "in a call", r"ac\.vmap\(f, in_axes=…\)"),
    ("ac.vmap(by_value)(X, out_axes=0)", D, "vmap", "given to vmap itself", "in a call", r"ac\.vmap\(f, out_axes=…\)"),
    ("ac.conv1d(ac.ones((2, 4)), ac.ones((3, 2, 2)), V)", S, "conv1d", "of 3 channels", r"got shape \(2,\)", "must"),
    ("ac.conv1d(ac.ones((2, 4)), ac.ones((3, 2, 2)), 2)", S, "conv1d", "of 3 channels", r"got shape \(\)", "must"),
    ("ac.random.choice(3, p=[0.5, 0.1, 0.1])", ValueError, "choice", "add up to 1", r"a sum of 0\.7", r"p / p\.sum"),
    ("ac.histogram([1.0, np.nan])", ValueError, "histogram", "finite", "from nan to nan", r"range=\(low, high\)"),
    ("ac.histogram([1.0, np.inf])", ValueError, "histogram", "finite", "from 1.0 to inf", r"range=\(low, high\)"),
    ("ac.max_pool2d(X, 2, padding=2)", S, "max_pool2d", "at most half a window", "got 2 and 2 around", r"ac\.pad"),
    # NumPy
    ("add_in_place(P)", TypeError, r"np\.add", "values", "out=", r"stop_gradient\(x\)"),
    ("np.spacing(P)", TypeError, r"np\.spacing", "no such", "", r"ac\.stop_gradient\(x\)\.numpy\(\)"),
]  # fmt: skip


@pytest.mark.notes("X14")
@pytest.mark.parametrize(
    ("snippet", "exception", "op", "expected", "got", "remedy"), MISTAKES, ids=[row[0] for row in MISTAKES]
)
def test_mistakes(snippet, exception, op, expected, got, remedy) -> None:
    with pytest.raises(exception) as caught:
        eval(snippet)
    message = str(caught.value)
    assert re.match(rf"(np\.)?'?{op}\b", message), message
    for part in (expected, got, remedy):
        assert re.search(part, message, re.DOTALL), (part, message)
    assert message.count("(at ") <= 1, message


# -- names of elsewhere ----------------------------------------------------------------------------------------------

HABITS = {
    "exp": r"ac\.exp\(…\)",
    "matmul": r"ac\.matmul\(…\)",
    "t": r"x\.T",
    "permute": r"ac\.permute_dims\(x, axes\)",
    "to": r"x\.astype\(dtype\)",
    "cuda": "on the CPU",
    "view": r"x\.reshape\(shape\)",
    "mm": "x @ y",
    "clone": r"ac\.copy\(x\)",
    "numel": r"x\.size",
    "unsqueeze": r"ac\.expand_dims",
    "add_": r"p\.assign_\(value\)",
}


@pytest.mark.parametrize(("name", "remedy"), HABITS.items())
def test_names_of_elsewhere(name, remedy) -> None:
    with pytest.raises(AttributeError, match=f"^'Tensor' object has no attribute '{name}'; .*{remedy}"):
        getattr(X, name)
    assert not hasattr(X, name)
    assert name not in dir(X)


def test_remedies_are_names_that_exist() -> None:
    for name, entry in vars(ac.Tensor).items():
        if type(entry).__name__ == "Elsewhere":
            for found in re.findall(r"\bac\.(\w+)", entry.message):
                assert hasattr(ac, found), name
            for found in re.findall(r"\b[xp]\.(\w+)", entry.message):
                assert hasattr(X, found), name


def test_unknown_names_stay_unknown() -> None:
    assert not hasattr(X, "no_such_name")
    assert {"shape", "sum", "requires_grad"} <= set(dir(X))
    for made in (copy.copy(X), copy.deepcopy(X), pickle.loads(pickle.dumps(X))):
        assert made.tolist() == X.tolist()


# -- what is no mistake ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "uint32", "int32", "uint8", "int64", "uint64"])
def test_class_indices_in_any_integer_dtype(dtype) -> None:
    labels = np.array([0, 1], dtype=dtype)
    expected = ac.losses.cross_entropy(X, ac.tensor([0, 1])).item()
    assert ac.losses.cross_entropy(X, labels).item() == expected


@pytest.mark.parametrize(("shape", "text"), [
    ((0,), "Tensor([], dtype=float32)"),
    ((0, 3), "Tensor([], shape=(0, 3), dtype=float32)"),
    ((3, 0, 2), "Tensor([], shape=(3, 0, 2), dtype=float32)"),
])  # fmt: skip
def test_an_empty_tensor_shows_its_shape(shape, text) -> None:
    assert repr(ac.ones(shape)) == text


def test_a_function_may_have_an_argument_called_in_axes() -> None:
    assert ac.vmap(lambda x, in_axes: x + in_axes)(V, in_axes=V).tolist() == [2.0, 4.0]


def test_large_integers_of_a_floating_dtype() -> None:
    assert ac.tensor([2**70, -1.5], ac.float64).tolist() == [2.0**70, -1.5]
    assert ac.tensor(-(2**70), "float32").item() == -(2.0**70)


def test_formats_of_one_element() -> None:
    assert f"{ac.tensor([1.25]):.1f}" == "1.2"
    assert f"{X}" == repr(X)


def test_the_rate_may_be_set_between_compiled_steps() -> None:
    p = ac.nn.Parameter(1.0)
    opt = ac.optim.SGD([p], lr=np.float32(0.5))

    @ac.compile
    def step():
        opt.zero_grad()
        (p * 1.0).backward()
        opt.step()

    for opt.lr in (0.5, ac.tensor(0.25)):
        step()
    assert p.item() == 0.25
