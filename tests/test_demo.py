"""The console command: what it prints, writes and returns, with good input, bad input and Ctrl-C."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import alice_core as ac
from alice_core import cli, demo
from mnist_files import files_of, write

FASHION = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist puts it
PICTURES = ("loss.png", "confusion.png", "mistakes.png")


@pytest.fixture
def folder(tmp_path):
    """Tiny data in the MNIST format: three classes of noise around three patterns."""
    rng = np.random.default_rng(0)
    files = files_of(rng, n_train=60, n_test=12)
    patterns = rng.integers(0, 200, (3, 4, 3))
    for part, n in (("train", 60), ("t10k", 12)):
        name = f"{part}-images-idx3-ubyte"
        pixels = patterns[np.arange(n) % 3] + rng.integers(0, 50, (n, 4, 3))
        files[name] = files[name][:16] + pixels.astype(np.uint8).tobytes()
    path = tmp_path / "tiny"
    path.mkdir()
    write(path, files)
    return path


def history(out):
    with open(out / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_files(out, epochs):
    for name in PICTURES:
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(content) > 5000
    rows = history(out)
    assert [int(row["epoch"]) for row in rows] == list(range(1, epochs + 1))
    assert sorted(p.name for p in out.iterdir()) == sorted([*PICTURES, "history.csv", "model.npz"])  # nothing half done
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_the_default_network_learns_the_digits(seed):
    data = ac.data.load_digits(seed=seed)
    settings = demo.Settings(seed=seed)
    model = demo.build_model(data, settings)
    epochs = list(demo.train(data, model, settings))
    assert len(epochs) == 20
    assert epochs[-1].test_accuracy >= 0.97
    assert epochs[-1].train_accuracy > 0.99
    assert epochs[-1].loss < 0.7 < epochs[0].loss


def test_demo_on_digits(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "--epochs", "4", "--seed", "1"]) == 0
    out, err = capsys.readouterr()
    rows = check_files(tmp_path / "runs" / "digits-seed1", 4)
    assert err == ""  # no progress bar in a pipe
    assert "handwritten digits: 1437 images to learn from, 360 for the test, 8x8 pixels, 10 classes" in out
    assert "network  64-128-10, 9610 parameters" in out
    assert out.count("test image") == 10
    assert out.count("loss ") >= 4
    assert f"test accuracy {float(rows[-1]['test_accuracy']):.4f}" in out
    assert "Three things to try next" in out
    assert "/usr/share/datasets/fashion-mnist" in out


def test_demo_on_a_folder(folder, tmp_path, capsys):
    out = tmp_path / "a" / "b"
    arguments = ["demo", "--data", str(folder), "--out", str(out), "--epochs", "30", "--batch-size", "7"]
    assert cli.main([*arguments, "--lr", "0.05", "--hidden", "6", "5", "--seed", "2"]) == 0
    rows = check_files(out, 30)
    text = capsys.readouterr().out
    assert "tiny: 60 images to learn from, 12 for the test, 4x3 pixels, 3 classes" in text
    assert "network  12-6-5-3" in text
    assert "batch 7, seed 2" in text
    assert float(rows[-1]["test_accuracy"]) == 1.0
    assert "the ten worst answers (wrong ones first, then the least sure" in text


def test_a_terminal_gets_a_progress_bar(folder, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert cli.main(["demo", "--data", str(folder), "--out", str(tmp_path / "out"), "--batch-size", "6"]) == 0
    assert "epoch 1/5" in sys.stderr.getvalue()
    assert "/10 [" in sys.stderr.getvalue()  # the bar knows the number of batches


def test_a_closed_pipe_ends_quietly(folder, tmp_path):
    command = [sys.executable, "-u", "-m", "alice_core", "demo", "--data", str(folder), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_the_saved_model_answers_like_the_trained_one(folder, tmp_path):
    data = ac.data.load_idx(folder)
    settings = demo.Settings(epochs=3, batch_size=8)
    accuracy = demo.run(data, settings, tmp_path / "out")
    model = demo.build_model(data, demo.Settings(seed=99))
    model.load(tmp_path / "out" / "model.npz")
    assert np.mean(demo.predict(model, data.x_test).argmax(axis=1) == data.y_test) == accuracy


def test_a_seed_repeats_the_run_to_the_bit(folder, tmp_path):
    data = ac.data.load_idx(folder)
    models = []
    for _ in range(2):
        settings = demo.Settings(epochs=2, batch_size=8, seed=5)
        model = demo.build_model(data, settings)
        list(demo.train(data, model, settings))
        models.append(model)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_worst_answers_come_first():
    p = np.array([[0.9, 0.1], [0.45, 0.55], [0.2, 0.8], [0.4, 0.6], [0.52, 0.48]], dtype=np.float32)
    truth = np.array([0, 0, 0, 1, 0])
    assert demo.worst(p, truth).tolist() == [2, 1, 4, 3, 0]
    assert demo.worst(p, truth, count=2).tolist() == [2, 1]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--epochs", "0"], "argument --epochs: must be a whole number, at least 1; got '0'"),
    (["--epochs", "2.5"], "argument --epochs: must be a whole number, at least 1; got '2.5'"),
    (["--batch-size", "-3"], "argument --batch-size: must be a whole number, at least 1; got '-3'"),
    (["--lr", "0"], "argument --lr: must be a number above 0; got '0'"),
    (["--lr", "nan"], "argument --lr: must be a number above 0; got 'nan'"),
    (["--lr", "inf"], "argument --lr: must be a number above 0; got 'inf'"),
    (["--lr", "fast"], "argument --lr: must be a number above 0; got 'fast'"),
    (["--hidden", "128", "x"], "argument --hidden: must be a whole number, at least 1; got 'x'"),
    (["--seed", "-1"], "argument --seed: must be a whole number, at least 0; got '-1'"),
    (["--nonsense"], "unrecognized arguments: --nonsense"),
])  # fmt: skip
def test_wrong_arguments_exit_with_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_no_command_exits_with_2_and_help_with_0(capsys):
    for arguments, code in (([], 2), (["--help"], 0), (["demo", "--help"], 0)):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == code
    text = capsys.readouterr().out
    for option in ("--epochs", "--batch-size", "--lr", "--hidden", "--seed", "--data", "--out"):
        assert option in text


def test_bad_data_and_bad_places_exit_with_1(folder, tmp_path, capsys):
    def fails(*arguments):
        assert cli.main(["demo", *map(str, arguments)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    assert "alice: load_idx: nowhere must be a folder" in fails("--data", "nowhere", "--out", tmp_path / "out")
    damaged = folder / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert f"alice: load_idx: {damaged} must have 20 bytes" in fails("--data", folder, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert f"alice: demo: --out must be a folder that can be made and written; got {taken} (" in fails("--out", taken)
    assert taken.read_text() == "mine"


def test_divergence_is_named(folder, tmp_path, capsys):
    arguments = ["demo", "--data", str(folder), "--out", str(tmp_path / "out"), "--lr", "1e30", "--epochs", "50"]
    assert cli.main(arguments) == 1
    assert "demo: the loss must stay finite; got" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["tqdm", "matplotlib.figure", "sklearn.datasets"])
def test_missing_packages_are_named_before_training(module, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["demo", "--out", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert "not installed; run: python -m pip install" in err
    assert "epoch 1" not in out


def test_info_prints_the_build(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    for key, value in ac.build_config().items():
        assert f"{key:9} {value}" in text


def test_the_module_runs_like_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "alice_core", "info"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert ac.__version__ in done.stdout


def run_until(line, arguments, cwd):
    """Start ``alice demo``, read its output up to a line, send Ctrl-C; returns (exit status, stdout, stderr)."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "alice_core", "demo", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs inherit "ignore"
    )  # fmt: skip
    seen = ""
    assert process.stdout is not None
    for text in process.stdout:
        seen += text
        if text.startswith(line):
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=60)
    return process.returncode, seen + rest, errors


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_keeps_what_was_written(folder, tmp_path):
    arguments = ["--data", str(folder), "--out", "out", "--epochs", "1000000"]
    code, _, err = run_until("epoch       3/", arguments, tmp_path)
    assert code == 130
    assert "Traceback" not in err
    assert [int(row["epoch"]) for row in history(tmp_path / "out")][:3] == [1, 2, 3]
    assert err == "alice: stopped by Ctrl-C; the finished epochs are kept in out/history.csv and out/model.npz\n"
    model = demo.build_model(ac.data.load_idx(folder), demo.Settings())
    model.load(tmp_path / "out" / "model.npz")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"history.csv", "model.npz"}


def interrupted(code):
    """What a process prints to stderr, and its status, that runs `code` and then the command, on a line of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{code}\n"
         "from alice_core import cli; raise SystemExit(cli.command())", "info"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


MOMENTS = {
    "while it works": "import alice_core as ac; ac.build_config = lambda: signal.raise_signal(2)",
    "while arguments are read": "from alice_core import cli; cli._parser = lambda: signal.raise_signal(2)",
    "in text that is evaluated": """
import alice_core as ac
ac.build_config = lambda: eval("signal.raise_signal(2)")""",
    "in a destructor": """
import alice_core as ac
class Last:
    def __del__(self): signal.raise_signal(2)
ac.build_config = lambda: (Last(), {})[1]""",
    "in an import that then fails": """
import alice_core as ac
def build():
    try:
        signal.raise_signal(2)
    except KeyboardInterrupt:
        raise ImportError("something failed to import") from None
ac.build_config = build""",
    "twice": """
import alice_core as ac
def build():
    try:
        signal.raise_signal(2)
    finally:
        signal.raise_signal(2)
ac.build_config = build""",
    "while it says so": """
from alice_core import cli, interrupt
import alice_core as ac
ac.build_config = lambda: signal.raise_signal(2)
tell = interrupt.CtrlC.tell
interrupt.CtrlC.tell = lambda self, *a: (setattr(interrupt.CtrlC, "tell", tell), signal.raise_signal(2))""",
}


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_at_any_moment(moment):
    assert interrupted(MOMENTS[moment]) == (130, "alice: stopped by Ctrl-C\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_after_the_end_is_none():
    assert interrupted("import atexit; atexit.register(lambda: signal.raise_signal(2))") == (0, "")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_stays_as_it_was_for_those_who_call_main(capsys):
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    assert cli.main(["info"]) == 0
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before


def test_a_run_without_an_epoch_leaves_the_history(folder, tmp_path, monkeypatch, capsys):
    arguments = ["demo", "--data", str(folder), "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    before = (tmp_path / "out" / "history.csv").read_bytes()

    def stopped(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(demo, "train", stopped)
    assert cli.main(arguments) == 130
    assert (tmp_path / "out" / "history.csv").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="locks")
def test_a_folder_is_of_one_run(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["demo", "--data", str(folder), "--out", "out", "--epochs"]
    code = "import sys; from alice_core import cli; cli.demo._finish = lambda *a: input(); raise SystemExit(cli.main())"
    with subprocess.Popen(
        [sys.executable, "-uc", code, *arguments, "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert any(line.startswith("epoch 2/2") for line in first.stdout)
        before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
        assert cli.main([*arguments, "3"]) == 1
        assert re.fullmatch("alice: demo: --out must be .*; got out, which another run .*\n", capsys.readouterr().err)
        assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
        first.communicate("\n")
    assert first.returncode == 0
    assert cli.main([*arguments, "3"]) == 0
    check_files(tmp_path / "out", 3)


def test_two_processes_may_save_to_one_file(tmp_path):
    code = (
        "import sys, alice_core as ac\n"
        "model = ac.nn.Linear(300, 300)\n"
        "for _ in range(60): model.save(sys.argv[1])\n"
    )  # fmt: skip
    path = tmp_path / "model.npz"
    both = [subprocess.Popen([sys.executable, "-c", code, path], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    ac.nn.Linear(300, 300).load(path)
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_the_terminal_cannot_show(folder, tmp_path):
    data = folder.rename(tmp_path / "Zähler")
    done = subprocess.run(
        [sys.executable, "-m", "alice_core", "demo", "--data", data, "--out", "Bücher", "--epochs", "1"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "B\\xfccher" in done.stdout
    check_files(tmp_path / "Bücher", 1)
    (tmp_path / "Zähler" / "t10k-labels-idx1-ubyte").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "alice_core", "demo", "--data", data],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"alice: load_idx: .*Z\\xe4hler.*\n", done.stderr)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00321, "3.21 ms"), (0.0099, "9.90 ms"), (0.01, "0.01 s"), (12, "12.00 s")]
)
def test_short_times_are_told_in_milliseconds(seconds, text, capsys):
    demo._print(demo.Epoch(1, 0.5, 0.5, 0.5, seconds), demo.Settings())
    assert capsys.readouterr().out.endswith(f"  {text}\n")


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist(tmp_path):
    assert cli.main(["demo", "--data", str(FASHION), "--out", str(tmp_path)]) == 0
    assert float(check_files(tmp_path, 5)[-1]["test_accuracy"]) >= 0.85
