// Native work that runs while other Python threads do is counted. A fork waits for it, because the child would find
// what it was changing half changed, and its locks locked for ever; so does the end of the process.
#pragma once

namespace alice {

// Stands on the stack around such work, and around every lock that the work takes. Whoever is Running waits neither for
// Python's lock nor to be Running once more.
class Running {
 public:
  Running();  // waits while work is held off
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

// Lets no work begin any more, and waits until none runs. Calls do not nest.
void hold_off_running();
void let_run();
void let_run_in_child();  // of a fork, which has none of the threads that ran or waited

}  // namespace alice
