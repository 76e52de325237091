#include "running.h"

#include <atomic>
#include <cstdint>

namespace alice {
namespace {

constexpr std::uint32_t kHeldOff = 1u << 31;
std::atomic<std::uint32_t> state{0};  // how much work runs, and kHeldOff

void leave() {
  if (state.fetch_sub(1, std::memory_order_acq_rel) == (kHeldOff | 1)) state.notify_all();
}

}  // namespace

Running::Running() {
  while (state.fetch_add(1, std::memory_order_acquire) & kHeldOff) {
    leave();
    for (std::uint32_t now = state.load(); now & kHeldOff; now = state.load()) state.wait(now);
  }
}

Running::~Running() { leave(); }

void hold_off_running() {
  for (std::uint32_t now = state.fetch_or(kHeldOff) | kHeldOff; now != kHeldOff; now = state.load()) state.wait(now);
}

void let_run() {
  state.fetch_and(~kHeldOff, std::memory_order_release);
  state.notify_all();
}

void let_run_in_child() { state.store(0, std::memory_order_release); }

}  // namespace alice
