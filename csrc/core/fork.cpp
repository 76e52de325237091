// Small: nothing here is done often.
#include "fork.h"

#include <pthread.h>

#include <mutex>
#include <vector>

#include "running.h"

namespace alice::fork {
namespace {

struct Registered {
  std::mutex one_at_a_time;
  std::vector<Covered> mutexes;
  std::vector<void (*)()> restarts;
};

Registered& registered();

void before() {
  registered().one_at_a_time.lock();
  hold_off_running();
  for (const Covered& c : registered().mutexes) c.lock(c.mutex);
}

void release() {
  for (auto mutex = registered().mutexes.rbegin(); mutex != registered().mutexes.rend(); ++mutex)
    mutex->unlock(mutex->mutex);
  registered().one_at_a_time.unlock();
}

void resume_in_parent() {
  let_run();
  release();
}

void resume_in_child() {
  let_run_in_child();
  release();
  for (auto restart : registered().restarts) restart();
}

// Leaked on purpose: threads may fork while static objects are destroyed.
Registered& registered() {
  static Registered* made = [] {
    pthread_atfork(before, resume_in_parent, resume_in_child);
    return new Registered;
  }();
  return *made;
}

}  // namespace

void cover(const Covered& mutex) { registered().mutexes.push_back(mutex); }
void in_child(void (*restart)()) { registered().restarts.push_back(restart); }

}  // namespace alice::fork
