// A lock that is held for a few instructions, which touch no memory but what it guards and make no system call: one
// atomic operation takes it, and a plain store gives it back. Whoever finds it taken lets others run.
#pragma once

#include <atomic>
#include <thread>

namespace alice {

class BriefLock {
 public:
  void lock() {
    while (taken_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

}  // namespace alice
