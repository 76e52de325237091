"""Run by tests/test_distributed.py: rank 1 does not come to the second exchange, or to another one."""

from __future__ import annotations

import os
import signal
import sys
import time

import alice_core as ac
from alice_core import distributed
from alice_core.distributed.exchanging import summed_in_buckets
from alice_core.distributed.world import world

step = ac.compile(lambda x: distributed.allreduce(x, "sum"))
step(ac.ones(3))
if sys.argv[1] == "other arrays":  # of what was begun before it is known
    begun = ac.compile(lambda x: summed_in_buckets([ac.tanh(x), x], [world().channel], True))
    begun(ac.ones(3))
    begun(ac.ones(40))
    begun(ac.ones(40) if distributed.rank() == 1 else ac.ones(3))
if sys.argv[1] == "another function":
    step(ac.ones(3)) if distributed.rank() != 1 else distributed.allreduce(ac.ones(3), "sum")
if sys.argv[1] == "another trace":
    step(ac.ones(3 + (distributed.rank() == 1)))
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
