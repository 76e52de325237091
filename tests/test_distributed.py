"""One run on several processes: programs of ``tests/ranks`` run under mpiexec, with more ranks than cores perhaps. Each
asserts what it should, on every rank, and prints what rank 0 has to say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import _core, distributed
from alice_core.distributed.exchanging import buckets, summed_in_buckets
from alice_core.distributed.parallel import _Tree

PROGRAMS = Path(__file__).parent / "ranks"


def _mpiexec() -> str | None:
    """The launcher that belongs to mpi4py: the wheels put both beside Python."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def _missing() -> str | None:
    if "san.so" in os.environ.get("LD_PRELOAD", ""):
        return "a sanitizer is loaded into the launcher, too"
    if subprocess.run([sys.executable, "-c", "from mpi4py import MPI"], capture_output=True).returncode:
        return "mpi4py or an MPI library is missing: pip install 'alice_core[mpi]'"
    if _mpiexec() is None:
        return "there is no mpiexec"
    return None


MISSING = _missing()
on_ranks = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def launch(n: int, *arguments: Any, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python on n ranks; no process outlives the call."""
    environment = {
        **os.environ,
        # For Open MPI 4 and 5: more ranks than cores, and in containers, whose user is root.
        **dict.fromkeys(("OMPI_MCA_rmaps_base_oversubscribe", "OMPI_ALLOW_RUN_AS_ROOT"), "1"),
        **dict.fromkeys(("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PRTE_ALLOW_RUN_AS_ROOT"), "1"),
        "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "ALICE_DISTRIBUTED_TIMEOUT": "60",
        **variables,
    }
    command = [str(_mpiexec()), "-n", str(n), sys.executable, *map(str, arguments)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, 9)
        raise
    return subprocess.CompletedProcess(command, process.returncode, said, "")


def passed(n: int, *arguments: Any, **options: Any) -> str:
    done = launch(n, *arguments, **options)
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


# -- one rank ----------------------------------------------------------------------------------------------------------


def test_a_process_alone_needs_no_mpi() -> None:
    code = (
        "import sys; sys.modules['mpi4py'] = None\n"
        "import alice_core as ac\n"
        "assert (ac.distributed.rank(), ac.distributed.size()) == (0, 1)\n"
        "x = ac.tensor([1.0, -2.0])\n"
        "for op in ('mean', 'sum', 'max', 'min'):\n"
        "    assert ac.distributed.allreduce({'x': x}, op)['x'].tolist() == x.tolist()\n"
        "assert ac.distributed.broadcast(x).tolist() == x.tolist()\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI", "MPI"))}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)


def test_without_mpi4py_a_launched_process_says_what_to_install() -> None:
    code = "import sys; sys.modules['mpi4py'] = None\nimport alice_core as ac\nac.distributed.rank()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PMI_SIZE": "4"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "distributed: a launcher has started 4 processes, but mpi4py cannot be loaded" in done.stderr
    assert "pip install 'alice_core[mpi]'" in done.stderr


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: distributed.allreduce(ac.ones(2), "median"), ValueError, "allreduce: op must be"),
        (lambda: distributed.allreduce(ac.tensor([1, 2])), ac.DTypeError, "a mean must be of floating numbers; got"),
        (lambda: distributed.allreduce(ac.tensor([True]), "sum"), ac.DTypeError, "a dtype that MPI adds; got bool"),
        (lambda: distributed.broadcast(ac.ones(2), 1), ValueError, "root must be a rank, from 0 to 0; got 1"),
        (lambda: distributed.shard(ac.ones(2), ac.ones(3)), ac.ShapeError, "shard: arrays must have the same length"),
        (lambda: distributed.shard(ac.ones((0, 2))), ac.ShapeError, "a row for each of 1 ranks; got 0 rows"),
        (lambda: distributed.set_timeout(0), ValueError, "set_timeout: seconds must be positive"),
        (lambda: distributed.data_parallel(3), ac.DTypeError, "opt must be an optimiser of ac.optim; got 3"),
        (lambda: wrapped(shards=6), ValueError, "shards must be a power of two, and a multiple of"),
        (lambda: wrapped(generators=[1]), ac.DTypeError, "generators must be of ac.random.Generator; got 1"),
        (lambda: setattr(wrapped(), "momentum", 0.5), AttributeError, "expected lr to be set; got momentum"),
        (lambda: wrapped(deterministic=True).step(), ac.GradientError, "must come from backward"),
        (lambda: ac.data.minibatches(ac.ones(6), ac.ones(6), 3, shard=(0, 2)), ValueError, "whose number divides"),
        (lambda: ac.data.minibatches(ac.ones(6), ac.ones(6), 4, shard=(2, 2)), ValueError, "shard must be one of"),
    ],
)  # fmt: skip
def test_messages(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()


def wrapped(**options: Any) -> Any:
    return distributed.data_parallel(ac.optim.SGD([ac.nn.Parameter([1.0])], lr=0.1), **options)


def test_backward_refuses_what_it_would_mix_up() -> None:
    opt = wrapped(deterministic=True)
    loss = lambda x: ac.mean(opt.params[0] * x)  # noqa: E731
    with pytest.raises(ac.ShapeError, match="a multiple of the 8 virtual shards"):
        opt.backward(loss, ac.ones(12))
    opt.zero_grad()
    opt.backward(loss, ac.ones(16))
    with pytest.raises(ac.GradientError, match="call zero_grad"):
        opt.backward(loss, ac.ones(16))


@pytest.mark.parametrize("compiled", [False, True])
def test_alone_steps_are_those_of_the_optimiser(compiled: bool) -> None:
    def trained(distribute: bool) -> list[bytes]:
        model = ac.nn.MLP([4, 8, 3], seed=0)
        opt: Any = ac.optim.Adam(model.parameters(), lr=0.1)
        opt = distributed.data_parallel(opt) if distribute else opt

        def step(x: ac.Tensor, y: ac.Tensor) -> None:
            opt.zero_grad()
            ac.losses.cross_entropy(model(x), y).backward()
            opt.step()

        run = ac.compile(step) if compiled else step
        opt.lr = 0.05
        for _ in range(3):
            run(ac.reshape(ac.linspace(-1.0, 1.0, 64), (16, 4)), ac.tensor([0, 1, 2, 1] * 4))
        return [p.numpy().tobytes() for p in model.parameters()]

    assert trained(True) == trained(False)


@given(st.integers(0, 5))
def test_trees_of_sums_have_one_order(bits: int) -> None:
    """Leaves that were added by several, and their totals by one: the bits of one that adds all."""
    leaves = np.random.default_rng(bits).standard_normal(32).astype(np.float32)

    def total(values: Any) -> Any:
        sums = _Tree()
        for v in values:
            sums.add([v])
        return sums.total()[0]

    parts = leaves.reshape(1 << bits, -1)
    assert total(total(part) for part in parts) == total(leaves)


@given(st.lists(st.tuples(st.sampled_from(["float32", "float64"]), st.integers(0, 2_000_000)), max_size=8))
def test_buckets_hold_everything_in_order_and_little_enough(sizes: list[tuple[str, int]]) -> None:
    tensors = [ac.abstract((n,), dtype) for dtype, n in sizes]
    made = buckets(tensors)
    assert [i for bucket in made for i in bucket] == list(range(len(tensors)))
    for bucket in made:
        assert len({tensors[i].dtype for i in bucket}) == 1
        assert len(bucket) == 1 or sum(tensors[i].nbytes for i in bucket) <= 4 << 20


def test_exchanges_are_instructions_that_nothing_drops_merges_or_folds() -> None:
    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        distributed.allreduce(x, "sum")  # that nobody reads
        distributed.allreduce(ac.ones(2), "sum")  # of a constant
        return distributed.allreduce(x, "sum") + distributed.allreduce(x, "sum")

    x = ac.tensor([1.0, 2.0])
    assert f(x).tolist() == [2.0, 4.0]
    assert str(f.program(x)).count("allreduce") == 4

    def loop(x: ac.Tensor) -> ac.Tensor:
        return ac.fori_loop(0, 2, lambda i, c: distributed.allreduce(c, "sum"), x)

    @ac.compile
    def g(x: ac.Tensor) -> ac.Tensor:
        loop(x)
        loop(ac.ones(2))
        return loop(x) + loop(x)

    assert g(x).tolist() == [2.0, 4.0]
    assert sum("scan" in str(i) for i in g.program(x).instructions) == 4


def test_what_is_started_leaves_before_what_follows_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alice_core.distributed.exchanging.BUCKET", 0)

    @ac.compile
    def f(x: ac.Tensor, w: ac.Tensor) -> list[ac.Tensor]:
        y = x @ w
        z = ac.tanh(y) @ w
        return summed_in_buckets([y * 0.5, z], [0], True)

    x = ac.ones((64, 64))
    lines = [line for line in str(f.program(x, x)).splitlines() if re.search("matmul|allreduce", line)]
    names = [re.search("matmul|allreduce_start|allreduce_wait", line)[0] for line in lines]  # type: ignore[index]
    assert names == ["matmul", "allreduce_start", "matmul", "allreduce_start", "allreduce_wait", "allreduce_wait"]


def test_channels_are_checked() -> None:
    with pytest.raises(ValueError, match="channel must be from 0 to"):
        ac.primitives()["allreduce"](ac.ones(2), 1 << 40)
    with pytest.raises(ValueError, match="the words of a library"):
        _core.open_channel([1, 2, 3])
    assert _core.exchange_progress()[2] == 0.0


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_parts_of_batches_make_the_batches(shuffle: bool, drop_last: bool) -> None:
    X = np.arange(22)

    def batches(shard: tuple[int, int] | None) -> list[Any]:
        made = ac.data.minibatches(X, X, 8, shuffle, 3, drop_last, shard=shard)
        found = [x.tolist() for _ in range(2) for x, _ in made]
        assert len(found) == 2 * len(made)
        return found

    parts = [batches((i, 4)) for i in range(4)]
    for whole, *cut in zip(batches(None), *parts, strict=True):
        assert len({len(c) for c in cut}) == 1
        joined = [row for c in cut for row in c]
        assert joined == whole[: len(whole) // 4 * 4]


# -- several ranks -----------------------------------------------------------------------------------------------------


@on_ranks
@pytest.mark.parametrize("n", [2, 4])
def test_exchanges(n: int) -> None:
    """Values of every op and dtype, derivatives of both kinds, batches, programs, and what differs between ranks."""
    assert "all is well" in passed(n, PROGRAMS / "exchanges.py")


@on_ranks
def test_deterministic_training_has_the_same_bits_on_any_number_of_ranks(tmp_path: Path) -> None:
    """After 100 steps, eager and compiled, with dropout; and when a run goes on with another number of ranks."""
    program = PROGRAMS / "deterministic.py"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI", "MPI"))}
    alone = subprocess.run(
        [sys.executable, program, tmp_path, "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert re.fullmatch(r"\w+ \w+\n", alone)
    assert passed(2, program, tmp_path, 2).splitlines()[-1] == alone.strip()
    assert passed(4, program, tmp_path, 1).splitlines()[-1] == alone.strip()


@on_ranks
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raise", "rank 1 has raised ValueError: the data are damaged"),
        ("hang", "it was not reached by rank 1"),
        ("stop", "no answer from rank 1"),
        ("leave", "the program has ended on rank 1"),
        ("another trace", "rank 1 waits for allreduce of op 'sum': do all ranks mean the same?"),
    ],
)
def test_all_ranks_end_with_an_error_that_names_the_one_at_fault(how: str, reason: str) -> None:
    done = launch(3, PROGRAMS / "failing.py", how, ALICE_DISTRIBUTED_TIMEOUT="4")
    assert done.returncode != 0
    ended = re.findall(r"distributed: rank (\d) ends: (.*)", done.stdout)
    assert {rank for rank, _ in ended} >= {"0", "2"}, done.stdout
    assert all(reason in why for _, why in ended), done.stdout


@on_ranks
@pytest.mark.parametrize("how", ["other arrays", "another function"])
def test_ranks_that_meet_in_different_exchanges_end_instead_of_adding(how: str) -> None:
    done = launch(2, PROGRAMS / "failing.py", how, ALICE_DISTRIBUTED_TIMEOUT="4")
    assert done.returncode != 0
    assert "went on" not in done.stdout
    assert "all ranks must exchange the same here" in done.stdout


@on_ranks
def test_a_rank_that_is_killed_ends_the_others() -> None:
    done = launch(2, PROGRAMS / "failing.py", "die")
    assert done.returncode != 0
    assert "went on" not in done.stdout


@on_ranks
def test_the_command_trains_on_two_ranks(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    said = passed(2, "-m", "alice_core", "train", "--distributed", "--epochs", 2, "--out", tmp_path / "run")
    assert said.count("epoch 2/2") == 1
    assert "ranks    2, each with 16 images a step" in said
    assert (tmp_path / "run" / "model.npz").is_file()
    model = ac.nn.MLP([64, 128, 10], activation="relu")
    model.load(tmp_path / "run" / "model.npz")
    data = ac.data.load_digits()
    right = ac.mean(
        ac.equal(ac.argmax(model(ac.tensor(data.x_test)), axis=1), ac.tensor(data.y_test)).astype(ac.float32)
    )
    assert right.item() > 0.9


@on_ranks
def test_the_command_says_what_does_not_fit_the_ranks(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = launch(3, "-m", "alice_core", "train", "--distributed", "--out", tmp_path / "run")
    assert done.returncode != 0
    assert "demo: --batch-size must be a multiple of the number of processes, 3; got 32" in done.stdout
    assert "Traceback" not in done.stdout


@on_ranks
def test_an_error_of_the_first_rank_ends_the_command_on_all(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    done = launch(2, "-m", "alice_core", "train", "--distributed", "--out", tmp_path / "file" / "run")
    assert done.returncode != 0
    assert "rank 1 ends: rank 0: demo: --out must be a folder" in done.stdout
