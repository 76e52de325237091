"""Minibatches, the bundled digits, and MNIST-format files, whole and damaged."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

import alice_core as ac
from alice_core.data import DataError, load_idx, minibatches
from mnist_files import files_of, idx, write

# --- minibatches ------------------------------------------------------------------------------------------------------


def rows_of(batches):
    return [y.numpy().tolist() for _, y in batches]


@pytest.mark.notes("M187", "M188")
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 5), (10, 10), (3, 7), (1, 1), (0, 4)])
def test_each_epoch_visits_each_row_once(n, size, shuffle):
    x = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    batches = minibatches(x, np.arange(n), size, shuffle=shuffle)
    for _ in range(3):
        seen = []
        for bx, by in batches:
            assert isinstance(bx, ac.Tensor)
            assert bx.dtype == ac.float32
            np.testing.assert_array_equal(bx.numpy(), x[by.numpy()])
            seen += by.tolist()
        assert sorted(seen) == list(range(n))
        assert shuffle or seen == list(range(n))


@pytest.mark.notes("M193")
@pytest.mark.parametrize(("n", "size", "drop_last", "sizes"), [
    (10, 3, False, [3, 3, 3, 1]),
    (10, 3, True, [3, 3, 3]),
    (9, 3, True, [3, 3, 3]),
    (2, 3, False, [2]),
    (2, 3, True, []),
])  # fmt: skip
def test_length_and_batch_sizes(n, size, drop_last, sizes):
    batches = minibatches(np.zeros((n, 1)), np.arange(n), size, drop_last=drop_last)
    assert len(batches) == len(sizes)
    assert [len(y) for _, y in batches] == sizes


@pytest.mark.notes("M188", "X13")
def test_orders_differ_between_epochs_and_repeat_with_the_seed():
    def epochs(seed, count=4):
        batches = minibatches(np.zeros((50, 1)), np.arange(50), 7, seed=seed)
        return [list(itertools.chain(*rows_of(batches))) for _ in range(count)]

    first = epochs(3)
    assert len({tuple(e) for e in first}) == 4
    assert epochs(3) == first
    assert epochs(4) != first


def test_leaving_an_epoch_early_does_not_change_the_next():
    whole, broken = (minibatches(np.zeros((20, 1)), np.arange(20), 4, seed=1) for _ in range(2))
    list(whole)
    next(iter(broken))
    assert rows_of(broken) == rows_of(whole)


def test_two_epochs_at_once_do_not_disturb_each_other():
    batches = minibatches(np.zeros((6, 1)), np.arange(6), 2)
    pairs = list(zip(batches, batches, strict=True))
    for epoch in zip(*pairs, strict=True):
        assert sorted(itertools.chain(*rows_of(epoch))) == list(range(6))


def test_tensors_lists_and_higher_ranks_are_data_too():
    x, y = next(iter(minibatches(ac.ones((4, 2, 3)), [[0.0], [1.0], [2.0], [3.0]], 4)))
    assert x.shape == (4, 2, 3)
    assert y.shape == (4, 1)


@pytest.mark.parametrize("shuffle", [False, True])
def test_weights_stay_with_their_rows(shuffle):
    x = np.arange(7.0)
    for rows, labels, weights in minibatches(x, 2 * x, 3, shuffle, weights=3 * x):
        np.testing.assert_array_equal(labels.numpy(), 2 * rows.numpy())
        np.testing.assert_array_equal(weights.numpy(), 3 * rows.numpy())


@pytest.mark.parametrize(("args", "kwargs", "error", "message"), [
    ((np.zeros((3, 1)), np.zeros(3), 2), {"weights": np.zeros(2)}, ac.ShapeError,
     r"minibatches: X, y and weights must .*; got X \(3, 1\), y \(3,\), weights \(2,\)"),
    ((np.zeros((3, 1)), np.zeros(4), 2), {}, ac.ShapeError,
     r"minibatches: X and y must have the same length along axis 0; got X \(3, 1\), y \(4,\)"),
    ((1.0, 2.0, 2), {}, ac.ShapeError, r"minibatches: X and y .*; got X \(\), y \(\)"),
    ((np.zeros((3, 1)), np.zeros(3), 0), {}, ValueError, "minibatches: batch_size must be at least 1; got 0"),
    ((np.zeros((3, 1)), np.zeros(3), 2.0), {}, ac.DTypeError, "minibatches: batch_size must be an integer; got 2.0"),
    ((np.zeros((3, 1)), np.zeros(3), True), {}, ac.DTypeError, "minibatches: batch_size must be an integer; got True"),
    ((np.zeros((3, 1)), np.zeros(3), 2), {"seed": -1}, ValueError, "minibatches: seed must be at least 0; got -1"),
    (([[1.0], [2.0, 3.0]], [0, 1], 2), {}, ac.ShapeError, "ragged"),
])  # fmt: skip
def test_minibatches_errors(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        minibatches(*args, **kwargs)


# --- examples, scaler, streams ----------------------------------------------------------------------------------------


@pytest.mark.notes("M049")
def test_a_data_set_has_pairs_by_row():
    x = np.arange(12.0).reshape(6, 2)
    data = ac.data.Examples(x, 10 * x[:, 0])
    assert len(data) == 6
    for i, (a, b) in enumerate(data):
        np.testing.assert_array_equal(a.numpy(), x[i])
        assert b.item() == 10 * x[i, 0]
    assert data[-1][1].item() == 100.0
    for key in (slice(1, 4), [0, 5, 0], np.array([2]), x[:, 0] > 3):
        part = data[key]
        np.testing.assert_array_equal(part.x.numpy(), x[key])
        np.testing.assert_array_equal(part.y.numpy(), 10 * x[key, 0])
    assert rows_of(data.batches(4, shuffle=False)) == [[0.0, 20.0, 40.0, 60.0], [80.0, 100.0]]
    assert repr(data) == "Examples(x (6, 2) float64, y (6,) float64)"
    with pytest.raises(IndexError):
        _ = data[6]
    with pytest.raises(ac.DTypeError, match="Examples: rows are chosen by one index; got 2"):
        _ = data[0, 1]
    with pytest.raises(ac.ShapeError, match=r"Examples: x and y must have the same length.* got x \(6, 2\), y \(5,\)"):
        ac.data.Examples(x, x[:5, 0])


@pytest.mark.notes("M069")
@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.5, 0.3, 0.2), (1.0,), (1 / 3, 1 / 3, 1 / 3)])
def test_parts_are_disjoint_and_all_rows_together(fractions, stratify):
    data = ac.data.Examples(np.arange(103), np.arange(103) % 3)
    parts = data.split(*fractions, seed=1, stratify=stratify)
    assert sorted(i for part in parts for i in part.x.tolist()) == list(range(103))
    for part, share in zip(parts, fractions, strict=True):
        assert abs(len(part) - 103 * share) <= (3 if stratify else 1)
        np.testing.assert_array_equal(part.y.numpy(), part.x.numpy() % 3)
        if stratify:
            counts = np.bincount(part.y.numpy(), minlength=3)
            assert np.ptp(counts) <= 2
    again, other = data.split(*fractions, seed=1, stratify=stratify), data.split(*fractions, seed=2, stratify=stratify)
    assert [p.x.tolist() for p in again] == [p.x.tolist() for p in parts]
    assert [p.x.tolist() for p in other] != [p.x.tolist() for p in parts]


@pytest.mark.parametrize(("fractions", "error", "message"), [
    ((), ValueError, "fractions must be positive and sum to 1; got"),
    ((0.8, 0.3), ValueError, r"sum to 1; got \(0.8, 0.3\)"),
    ((1.5, -0.5), ValueError, "must be positive"),
    ((np.nan, 1.0), ValueError, "must be positive"),
    (("a",), ac.DTypeError, "fractions must be a number"),
])  # fmt: skip
def test_splits_that_are_refused(fractions, error, message):
    data = ac.data.Examples(np.zeros(4), np.zeros(4))
    with pytest.raises(error, match=f"Examples.split: .*{message}|Examples.split: {message}"):
        data.split(*fractions)
    with pytest.raises(ac.DTypeError, match=r"stratify needs classes, integers of shape \(n,\); got y \(4,\) float64"):
        data.split(0.5, 0.5, stratify=True)


@pytest.mark.notes("M069")
def test_the_scaler_looks_at_training_data_alone():
    rng = np.random.default_rng(0)
    train, test = 1e4 + rng.normal(size=(50, 3)), 1e4 + rng.normal(size=(5, 3))
    train[:, 2] = test[:, 2] = 0.1  # constant, and no sum of it
    scale = ac.data.Scaler(train)
    np.testing.assert_allclose(scale(train).numpy()[:, :2].mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(scale(train).numpy()[:, :2].std(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose(scale(test).numpy()[:, :2], ((test - train.mean(0)) / train.std(0))[:, :2], rtol=1e-6)
    np.testing.assert_allclose(scale(test).numpy()[:, 2], 0.0, atol=1e-15)
    np.testing.assert_allclose(scale.inverse(scale(test)).numpy(), test, rtol=1e-14)
    assert ac.data.Scaler(train.astype(np.float32)).mean.dtype == ac.float32
    assert ac.data.Scaler(np.array([[1], [3]])).mean.item() == 2.0
    with pytest.raises(ac.ShapeError, match=r"with columns \(3,\); got \(5, 2\)"):
        scale(test[:, :2])
    with pytest.raises(ac.ShapeError, match=r"n at least 1; got \(0, 3\)"):
        ac.data.Scaler(test[:0])
    with pytest.raises(ValueError, match="must be finite"):
        ac.data.Scaler([[np.nan]])


def test_a_stream_feeds_a_compiled_step_without_copies():
    buffers = [np.zeros((256, 64), np.float32), np.zeros(256, np.int64)]
    model = ac.nn.Linear(64, 10, seed=0)
    step = ac.compile(ac.value_and_grad(lambda W, x, y: ac.losses.cross_entropy(x @ W, y)))

    def source():
        for i in range(4):
            buffers[0].fill(i), buffers[1].fill(i)
            yield {"x": buffers[0], "y": buffers[1]}

    losses = []
    for i, batch in enumerate(ac.data.stream(source())):
        assert all(np.shares_memory(t.numpy(), b) for t, b in zip(batch.values(), buffers, strict=True))
        before = ac.memory_stats()["live_bytes"]
        loss, slope = step(model.weight, **batch)
        if i:  # the program is there
            assert ac.memory_stats()["live_bytes"] - before <= slope.nbytes + 4096
        losses.append(loss.item())
    want = [
        ac.losses.cross_entropy(ac.full((256, 64), float(i)) @ model.weight, ac.full(256, i)).item() for i in range(4)
    ]
    assert losses == want
    flags, numbers = next(ac.data.stream([(np.array([True, False]), [1.0])]))
    assert flags.tolist() == [True, False]
    assert numbers[0].item() == 1.0


def test_rows_in_order_are_views():
    x = ac.tensor(np.arange(10.0))
    for rows, _ in minibatches(x, x, 4, shuffle=False):
        assert np.shares_memory(rows.numpy(), x.numpy())


# --- digits -----------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M049", "M069")
def test_digits_are_split_by_seed_and_scaled_by_the_training_part():
    digits = ac.data.load_digits(seed=0)
    assert digits.x_train.shape == (1437, 64)
    assert digits.x_test.shape == (360, 64)
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int64
    assert (digits.n_classes, digits.image_shape) == (10, (8, 8))
    assert digits.x_train.mean(dtype=np.float64) == pytest.approx(0.0, abs=1e-6)
    assert digits.x_train.std(dtype=np.float64) == pytest.approx(1.0, abs=1e-6)
    assert digits.x_test.mean(dtype=np.float64) != pytest.approx(0.0, abs=1e-6)
    assert np.bincount(digits.y_test).min() >= 34

    again, other = ac.data.load_digits(seed=0), ac.data.load_digits(seed=1)
    np.testing.assert_array_equal(digits.x_test, again.x_test)
    assert not np.array_equal(digits.y_test, other.y_test)
    together = np.concatenate([digits.x_train, digits.x_test])
    assert len(np.unique(together, axis=0)) == 1797  # every image is in exactly one part


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_digits_reject_an_empty_part(fraction):
    with pytest.raises(ValueError, match="load_digits: test_fraction must lie between 0 and 1; got"):
        ac.data.load_digits(test_fraction=fraction)


def test_digits_take_any_seed_but_negative_ones():
    assert len(ac.data.load_digits(seed=10**20).y_test) == 360
    with pytest.raises(ValueError, match="load_digits: seed must be at least 0; got -1"):
        ac.data.load_digits(seed=-1)


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"load_digits: needs the package scikit-learn.* pip install scikit-learn"):
        ac.data.load_digits()


# --- IDX files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def files():
    return files_of(np.random.default_rng(0))


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_gives_the_pixels_and_labels(tmp_path, files, zipped):
    write(tmp_path, files, zipped=zipped)
    data = load_idx(str(tmp_path) if zipped else tmp_path)
    assert data.image_shape == (4, 3)
    assert data.n_classes == 3
    assert data.name == tmp_path.name
    pixels = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, offset=16).astype(np.float64)
    np.testing.assert_allclose(data.x_train.ravel(), (pixels - pixels.mean()) / pixels.std(), rtol=1e-6, atol=1e-6)
    test_pixels = np.frombuffer(files["t10k-images-idx3-ubyte"], np.uint8, offset=16)
    np.testing.assert_allclose(data.x_test.ravel(), (test_pixels - pixels.mean()) / pixels.std(), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(data.y_train, np.arange(12) % 3)
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    assert not data.x_train.flags.writeable  # so that Tensors share it


def test_idx_of_one_grey_is_not_divided_by_zero(tmp_path, files):
    for part, n in (("train", 12), ("t10k", 5)):
        files[f"{part}-images-idx3-ubyte"] = idx(np.full((n, 2, 2), 7))
    write(tmp_path, files)
    np.testing.assert_array_equal(load_idx(tmp_path).x_train, np.zeros((12, 4)))


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(("name", "damage", "message"), [
    (IMAGES, lambda c: None, rf"{IMAGES} or {IMAGES}.gz must exist; the folder holds t10k-images"),
    (IMAGES, lambda c: b"", "must begin with the bytes 00 00 08 03 .*; got an empty file"),
    (IMAGES, lambda c: b"PNG!" + c[4:], "must begin with the bytes 00 00 08 03 .*; got 50 4e 47 21; is it the right"),
    (IMAGES, lambda c: c[:9], "must have a header of 16 bytes; got 9 bytes; fetch it again"),
    (IMAGES, lambda c: c[:-1], "must have 160 bytes for 12 images x 4 rows x 3 columns, .*; got 159; fetch the file"),
    (IMAGES, lambda c: c + b"\0", "must have 160 bytes for .*; got 161"),
    (IMAGES, lambda c: c[:4] + b"\xff" * 12 + c[16:], "must have 79228162458924105385300197391 bytes for 4294967295"),
    (IMAGES, lambda c: idx(np.zeros((12, 4, 2))), "must have one size; got 4x2 and 4x3 pixels"),
    (IMAGES, lambda c: idx(np.zeros((12, 0, 3))), r"must hold at least one pixel; got shape \(12, 0, 3\)"),
    (LABELS, lambda c: idx(np.zeros(11)), "must hold equally many items; got 12 images and 11 labels"),
    (LABELS, lambda c: idx(np.zeros((12, 1, 1))), "must begin with the bytes 00 00 08 01 .*; got 00 00 08 03"),
])  # fmt: skip
def test_damaged_idx_files_are_named(tmp_path, files, name, damage, message):
    files[name] = damage(files[name])
    write(tmp_path, {n: c for n, c in files.items() if c is not None})
    with pytest.raises(DataError, match=message) as caught:
        load_idx(tmp_path)
    assert str(caught.value).startswith("load_idx: ")
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value, (ac.AliceError, ValueError))


@pytest.mark.parametrize("damage", [lambda z: z[:-9], lambda z: b"no gzip", lambda z: z[:30] + b"\xff\xff" + z[32:]])
def test_damaged_gzip_files_are_named(tmp_path, files, damage):
    write(tmp_path, files, zipped=True)
    path = tmp_path / f"{IMAGES}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{path} must be an intact gzip file; got: .*; fetch the file again"):
        load_idx(tmp_path)


def test_idx_wants_a_folder(tmp_path):
    with pytest.raises(DataError, match="must be a folder with the four files of the MNIST format; got nothing there"):
        load_idx(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"must be a folder .*; got a file"):
        load_idx(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must exist; the folder holds nothing"):
        load_idx(tmp_path / "empty")
