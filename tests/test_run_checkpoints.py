"""``save_checkpoint`` and ``load_checkpoint``: the bits of a run that never stopped, all of it or nothing."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac

DATA = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)


class Run:
    """A network with dropout, two dtypes, a schedule, and batches in an order of their own."""

    def __init__(self, compiled: bool, seed: int = 0) -> None:
        ac.random.seed(seed)
        self.noise = ac.random.Generator(seed + 1)
        self.model = ac.nn.Sequential(
            ac.nn.Linear(6, 8), ac.nn.BatchNorm1d(8), ac.nn.Dropout(0.3, ac.random.Generator(seed + 2)),
            ac.nn.Dropout(0.1), ac.nn.Linear(8, 2),
        )  # fmt: skip
        self.opt = ac.optim.Adam(self.model.parameters(), lr=ac.optim.schedules.cosine(0.1, 100))
        self.batches = ac.data.minibatches(DATA, DATA[:, :2], 8, seed=3)
        self.step: Any = ac.compile(self._step) if compiled else self._step

    def _step(self, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.mse_loss(self.model(x + 0.1 * self.noise.normal(x.shape)), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    def epochs(self, n: int) -> list[float]:
        return [self.step(x, y).item() for _ in range(n) for x, y in self.batches]

    def save(self, path: Path, step: int) -> None:
        ac.save_checkpoint(path, self.model, self.opt, step, [self.noise, self.batches])

    def load(self, path: Path) -> int:
        return ac.load_checkpoint(path, self.model, self.opt, rng=[self.noise, self.batches])

    def bits(self) -> list[bytes]:
        state = {**self.model.state_dict(), **self.opt.state_dict(), **self.batches.state_dict()}
        return [x.numpy().tobytes() for x in state.values()] + [
            repr((self.noise.state, ac.random.default_generator.state)).encode()
        ]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_that_goes_on_has_the_bits_of_one_that_never_stopped(compiled: bool, tmp_path: Path) -> None:
    whole = Run(compiled)
    losses = whole.epochs(5)
    first = Run(compiled)
    first.epochs(2)
    first.save(tmp_path / "run.ckpt", 2)
    second = Run(compiled, seed=7)
    second.epochs(1)
    assert second.load(tmp_path / "run.ckpt") == 2
    assert second.bits() == first.bits()
    assert second.epochs(3) == losses[-12:]
    assert second.bits() == whole.bits()
    assert [f.name for f in tmp_path.iterdir()] == ["run.ckpt"]


def test_narrow_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    model = ac.nn.Linear(2, 3).astype(ac.bfloat16) if hasattr(ac.nn.Linear, "astype") else ac.nn.Linear(2, 3)
    before = [p.astype(ac.float64).tolist() for p in model.parameters()]
    ac.save_checkpoint(tmp_path / "c", model)
    for p in model.parameters():
        p.assign_(p * 0)
    assert ac.load_checkpoint(tmp_path / "c", model) == 0
    assert [p.astype(ac.float64).tolist() for p in model.parameters()] == before


def altered(path: Path, change: Any) -> None:
    from alice_core.files import read_npz, write_npz

    arrays = read_npz(path)
    change(arrays)
    write_npz(path, arrays)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: a.pop("step"), ValueError, "must hold model, opt, rng0, rng1, generators"),
        (lambda a: [a.pop(n) for n in list(a) if n.startswith("opt/")], ValueError, "must hold model, opt"),
        (lambda a: a.update({"model/layers.0.bias": np.zeros(9, np.float32)}), ac.ShapeError, "layers.0.bias must"),
        (lambda a: a.update({"opt/hyper": np.full(4, np.nan)}), (ValueError, ac.ShapeError), "hyper|number"),
        (lambda a: a.pop("generators/common"), ValueError, "must have the states of"),
        (lambda a: a.update({"generators/common": np.arange(3)}), ValueError, "state of common must be two integers"),
        (lambda a: a.update({"step": np.array("x")}), ValueError, "the step of .* must be one integer"),
        (lambda a: a.update({"step": np.array(np.nan)}), ValueError, "the step of .* must be one integer"),
        (lambda a: a.update({"step": np.array([1, 2])}), ValueError, "the step of .* must be one integer"),
        (lambda a: a.update({"optimiser": np.array("AdamW")}), ValueError, "of the kind Adam; got AdamW; pass one of"),
        (lambda a: a.pop("optimiser"), ValueError, "of the kind Adam; got none"),
        (lambda a: a.update({"rng1/epoch": np.array("x")}), ac.DTypeError, "epoch"),
        (lambda a: a.update({"rng0/other": np.zeros(2)}), ValueError, "rng0 must have the states of state; got other"),
    ],
)  # fmt: skip
def test_what_does_not_fit_changes_nothing(change: Any, error: Any, message: str, tmp_path: Path) -> None:
    saved, run = Run(False), Run(False, seed=3)
    saved.save(tmp_path / "c", 1)
    altered(tmp_path / "c", change)
    before = run.bits()
    with pytest.raises(error, match=message):
        run.load(tmp_path / "c")
    assert run.bits() == before


def test_a_damaged_file_is_refused_or_what_it_was(tmp_path: Path) -> None:
    """Cut anywhere, or with any bit turned."""
    model = ac.nn.Linear(2, 1, seed=0)
    ac.save_checkpoint(tmp_path / "c", model, step=5)
    whole, before = (tmp_path / "c").read_bytes(), model.weight.tolist()

    def load(data: bytes) -> None:
        (tmp_path / "d").write_bytes(data)
        with contextlib.suppress(ValueError):
            assert ac.load_checkpoint(tmp_path / "d", model) == 5
        assert model.weight.tolist() == before

    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(whole), 100):
        load(whole[:cut])
    flags = [i + 8 for i in range(len(whole)) if whole[i : i + 4] == b"PK\1\2"]  # the lowest bit there: encrypted
    for at in [*flags, *rng.integers(0, len(whole), 200)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.integers(8) if at not in flags else 1
        load(bytes(damaged))


def test_an_optimiser_of_another_kind_with_the_same_state_is_refused(tmp_path: Path) -> None:
    model = ac.nn.Linear(2, 1)
    ac.save_checkpoint(tmp_path / "c", model, ac.optim.Adam(model.parameters(), lr=0.1))
    with pytest.raises(ValueError, match="must be of an optimiser of the kind AdamW; got Adam"):
        ac.load_checkpoint(tmp_path / "c", model, ac.optim.AdamW(model.parameters(), lr=0.1))
    wrapped = ac.distributed.data_parallel(ac.optim.Adam(model.parameters(), lr=0.1))
    assert ac.load_checkpoint(tmp_path / "c", model, wrapped) == 0


def test_messages(tmp_path: Path) -> None:
    model = ac.nn.Linear(2, 1)
    with pytest.raises(FileNotFoundError):
        ac.load_checkpoint(tmp_path / "none", model)
    (tmp_path / "text").write_text("nothing of that")
    with pytest.raises(ValueError, match=r"is no checkpoint .*; pass a file that ac\.save_checkpoint wrote"):
        ac.load_checkpoint(tmp_path / "text", model)
    with pytest.raises(
        ac.DTypeError, match=r"save_checkpoint: opt must have state_dict\(\) and load_state_dict\(\); got 3"
    ):
        ac.save_checkpoint(tmp_path / "c", model, 3)
    with pytest.raises(ac.DTypeError, match="save_checkpoint: step"):
        ac.save_checkpoint(tmp_path / "c", model, step=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="save_checkpoint: step must fit 64 bits"):
        ac.save_checkpoint(tmp_path / "c", model, step=1 << 63)
    with pytest.raises(OSError, match="No such file"):
        ac.save_checkpoint(tmp_path / "no" / "c", model)


#: Where a process is killed while it saves for the second time: when half is written, when all is but may not be on the
#: disk, when it is there under the other name, and when it has its own.
KILLED_AT = {
    "files.zipfile.ZipFile.close": False,
    "os.fsync": False,
    "pathlib.Path.replace": False,
    "the end": True,
}


@pytest.mark.parametrize("place", KILLED_AT)
def test_a_process_that_is_killed_while_it_saves_loses_nothing(place: str, tmp_path: Path) -> None:
    code = f"""
import os, pathlib, signal, sys
import alice_core as ac
from alice_core import files
model = ac.nn.Linear(2, 1, seed=0)
model.weight.assign_(ac.ones((2, 1)))
ac.save_checkpoint({str(tmp_path / "c")!r}, model, step=1)
model.weight.assign_(2 * ac.ones((2, 1)))
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
place = {place!r}
if place != "the end":
    owner, _, name = place.rpartition(".")
    setattr(eval(owner), name, die)
ac.save_checkpoint({str(tmp_path / "c")!r}, model, step=2)
die()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr
    model = ac.nn.Linear(2, 1)
    step = ac.load_checkpoint(tmp_path / "c", model)
    assert step == (2 if KILLED_AT[place] else 1)
    assert model.weight.tolist() == [[float(step)]] * 2
