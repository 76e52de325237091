"""Run by tests/test_distributed.py: rank 1 does not come to the second exchange."""

from __future__ import annotations

import os
import signal
import sys
import time

import alice_core as ac
from alice_core import distributed

step = ac.compile(lambda x: distributed.allreduce(x, "sum"))
step(ac.ones(3))
if distributed.rank() == 1:
    if sys.argv[1] == "raise":
        raise ValueError("the data are damaged")
    if sys.argv[1] == "hang":
        time.sleep(100)
    if sys.argv[1] == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if sys.argv[1] == "leave":
        sys.exit()
    os.kill(os.getpid(), signal.SIGKILL)
step(ac.ones(3))
print("went on")
