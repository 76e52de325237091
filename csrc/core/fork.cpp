#include "fork.h"

#include <pthread.h>

#include <vector>

#include "running.h"

namespace alice::fork {
namespace {

struct Covered {
  std::mutex one_at_a_time;
  std::vector<std::mutex*> mutexes;
  std::vector<void (*)()> restarts;
};

Covered& covered();

void before() {
  covered().one_at_a_time.lock();
  hold_off_running();
  for (std::mutex* mutex : covered().mutexes) mutex->lock();
}

void release() {
  for (auto mutex = covered().mutexes.rbegin(); mutex != covered().mutexes.rend(); ++mutex) (*mutex)->unlock();
  covered().one_at_a_time.unlock();
}

void resume_in_parent() {
  let_run();
  release();
}

void resume_in_child() {
  let_run_in_child();
  release();
  for (auto restart : covered().restarts) restart();
}

// Leaked on purpose: threads may fork while static objects are destroyed.
Covered& covered() {
  static Covered* made = [] {
    pthread_atfork(before, resume_in_parent, resume_in_child);
    return new Covered;
  }();
  return *made;
}

}  // namespace

void cover(std::mutex& mutex) { covered().mutexes.push_back(&mutex); }
void in_child(void (*restart)()) { covered().restarts.push_back(restart); }

}  // namespace alice::fork
