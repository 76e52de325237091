"""``python -m alice_core``: the same as the console command ``alice``."""

from __future__ import annotations

from .cli import command

if __name__ == "__main__":
    raise SystemExit(command())
