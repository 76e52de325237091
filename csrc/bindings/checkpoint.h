// Checkpointed calls: a function runs, and of what its equations saved for the gradient rules nothing is kept. When
// reverse mode comes to the first of these equations, the function runs again on the same arguments, and every
// equation gets a twin that has the data. The graph stays as it is: adjoints belong to the first equations, so
// gradients of any order have the bits that they have without checkpoints.
//
//   watcher.h      who sees what a checkpointed function does while it runs
//   segment.h      one checkpointed call: its first run, and all that is needed to run it again
//   repeats.h      the repeated runs of one walk along a graph
//   kept_memory.h  what a function would keep, for who chooses where to cut it
#pragma once

#include "kept_memory.h"
#include "repeats.h"
#include "segment.h"
