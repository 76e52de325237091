"""The console command ``alice``."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import alice_core as ac

from . import demo
from .interrupt import INTERRUPTED, CtrlC

__all__ = ["command", "main"]

_DATA_ERROR = 1

_NEXT = """
Three things to try next:
  1. Make it harder for the network, and watch the curves part:
       {alice} demo --hidden 8 --epochs 60 --out runs/small
  2. 70,000 pictures of clothes instead of digits (Debian, Ubuntu: apt-get install dataset-fashion-mnist):
       {alice} demo --data /usr/share/datasets/fashion-mnist
  3. Differentiate a function of your own:
       {python} -c "import alice_core as ac; f = lambda x: ac.sin(x) / x; print(f(2.0), ac.grad(f)(2.0))"
The loop that just ran is `train` in {source}: 20 lines, meant to be copied."""


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {least}; got {text!r}")
        return value

    return parse


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0; got {text!r}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alice", description="alice_core: a small, fast differentiation engine.")
    parser.add_argument("--version", action="version", version=f"alice_core {ac.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    training: dict[str, Any] = {
        "description": "Train a multilayer perceptron on images, and report with numbers and pictures.",
        "epilog": "Exit status: 0 done, 1 the data or the training failed, 2 wrong arguments, 130 stopped by Ctrl-C.",
    }
    _add_training(commands.add_parser("demo", help="train a network on handwritten digits", **training))
    train = commands.add_parser("train", help="the same, on many processes too: mpiexec -n 4 alice train --distributed",
                                **training)  # fmt: skip
    _add_training(train)
    train.add_argument("--distributed", action="store_true",
        help="work on the images of each step together with the other processes that mpiexec has started; without "
             "mpiexec there is one")  # fmt: skip

    commands.add_parser("info", help="print how the engine was built and what it runs on")
    return parser


def _add_training(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--data", default="digits", metavar="digits|PATH",
        help="'digits': scikit-learn's 1,797 handwritten digits (default); or a folder with the four files of the "
             "MNIST format, gzipped or not")  # fmt: skip
    add("--epochs", type=_whole(1), metavar="N", help="passes over the training images (default: digits 20, folder 5)")
    add("--batch-size", type=_whole(1), metavar="N", help="images a step (default: digits 32, folder 128)")
    add("--lr", type=_positive, default=0.1, metavar="X", help="learning rate of the first step; it falls to 0 "
        "linearly (default: %(default)s)")  # fmt: skip
    add("--hidden", type=_whole(1), nargs="+", default=[128], metavar="N",
        help="units of the hidden layer, or of several (default: 128)")  # fmt: skip
    add("--seed", type=_whole(0), default=0, metavar="N",
        help="decides weights, order, and which digits are for the test (default: %(default)s)")  # fmt: skip
    add("--out", type=Path, metavar="FOLDER",
        help="where pictures, numbers and the model go; files of an earlier run are replaced "
             "(default: runs/NAME-seedN)")  # fmt: skip


def _demo(arguments: argparse.Namespace) -> None:
    digits = arguments.data == "digits"
    settings = demo.Settings(
        epochs=arguments.epochs or (20 if digits else 5),
        batch_size=arguments.batch_size or (32 if digits else 128),
        lr=arguments.lr,
        hidden=tuple(arguments.hidden),
        seed=arguments.seed,
        distributed=getattr(arguments, "distributed", False),
    )
    name = "digits" if digits else Path(arguments.data).resolve().name
    out: Path = arguments.out or Path("runs") / f"{name}-seed{settings.seed}"
    data = ac.data.load_digits(seed=settings.seed) if digits else ac.data.load_idx(arguments.data)
    try:
        demo.run(data, settings, out)
    except (ac.AliceError, OSError, MemoryError) as error:
        if settings.distributed:
            ac.distributed.abort(str(error))  # the others would wait
        raise
    if arguments.command == "demo":
        print(_NEXT.format(alice=_command(), python=_relative(sys.executable), source=_relative(demo.__file__)))


def _relative(path: str) -> str:
    """As it may be typed in this folder."""
    relative = os.path.relpath(path)
    return shlex.quote(path if relative.startswith("..") else relative)


def _command() -> str:
    """How this program was started, for the hints at the end."""
    started = sys.argv[0]
    if Path(started).name == "__main__.py":
        return f"{_relative(sys.executable)} -m alice_core"
    found = shutil.which("alice")
    return "alice" if found and os.path.realpath(found) == os.path.realpath(started) else _relative(started)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    with CtrlC("alice") as ctrl_c:
        try:
            _run(_parser().parse_args(argv))
        except KeyboardInterrupt as stop:
            return ctrl_c.tell(str(stop))
        except BrokenPipeError:  # the reader of our output went away, as in `alice demo | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _DATA_ERROR
        except Exception as error:
            if ctrl_c.pressed:  # an import that was interrupted says that it failed
                return ctrl_c.tell()
            if not isinstance(error, (ac.AliceError, OSError, MemoryError)):
                raise
            print(f"alice: {error or type(error).__name__}", file=sys.stderr)
            return _DATA_ERROR
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "info":
        for key, value in ac.build_config().items():
            print(f"{key:9} {value}")
    else:
        _demo(arguments)


def command() -> int:
    """:func:`main` for a process of its own; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of folders that the terminal cannot show
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said
    if status == INTERRUPTED:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)  # Python would end by a signal where the exception has passed an eval
    return status


if __name__ == "__main__":
    raise SystemExit(command())
