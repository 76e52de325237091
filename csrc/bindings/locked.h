// Native work on memory that other threads may read and change. Two rules keep it whole: locks (core/locks.h) are taken
// by all work that lets other Python threads run meanwhile, and no such work begins but by a thread that has the GIL.
// So short work, which keeps the GIL, needs no locks unless somebody holds some; and nobody waits for locks with the
// GIL.
#pragma once

#include "../core/locks.h"
#include "../core/running.h"
#include "engine.h"
#include "gil.h"

namespace alice {

constexpr double kReleaseLockNanoseconds = 20000;  // from here on other Python threads may run meanwhile

struct Locking {
  double nanoseconds = 0;      // estimated; long work lets other Python threads run
  bool changes = false;        // something in place
  bool until_resumed = false;  // hold the locks until this thread has the GIL again: what was read is not yet old then
};

namespace detail {

template <class Ask, class Work>
[[gnu::noinline]] void run_with_locks(const Locking& how, Ask& ask, Work& work) {
  Locks locks;
  ask(locks);
  if (!locks.try_lock()) {
    const Unlocked others;
    locks.lock();
  }
  if (how.nanoseconds <= kReleaseLockNanoseconds) return work();
  const Unlocked others;
  const Running running;
  struct End {
    Locks* locks;
    ~End() {
      if (locks) locks->unlock();
    }
  } end{how.until_resumed ? nullptr : &locks};
  work();
}

}  // namespace detail

// `ask(locks)` says what the work reads and changes; it is called only if that matters.
template <class Ask, class Work>
void run_locked(const Locking& how, Ask&& ask, Work&& work) {
  const bool needed =
      how.nanoseconds > kReleaseLockNanoseconds || (how.changes ? Locks::any_held() : Locks::any_changing());
  if (needed) [[unlikely]]
    return detail::run_with_locks(how, ask, work);
  work();
}

// The same for a look at one array, which takes no time.
template <class Work>
void read_locked(const Array& a, Work&& work) {
  run_locked({}, [&](Locks& locks) { locks.read(a.storage().get()); }, work);
}

}  // namespace alice
