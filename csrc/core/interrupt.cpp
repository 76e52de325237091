// Small: once in a thousand steps.
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#ifdef __linux__
#include <sys/syscall.h>
#endif

namespace alice {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBetweenLooks = 1e6, kMostSteps = 1000;  // nanoseconds; steps, as an estimate may be too low
constexpr std::chrono::milliseconds kBeforeListening{10};
// Whoever handles the signal otherwise, to end after this step of theirs, say, gets the time to come to that.
constexpr std::chrono::milliseconds kTimeToEnd{500};

thread_local int loops = 0;  // that stand in each other
// Of the outermost loop of the main thread. No fork comes in between: it waits for what runs.
std::atomic<bool> main_looked{false};
std::optional<Clock::time_point> begin, seen;
bool listening = false;
struct sigaction before;
std::atomic<bool> pressed{false};
static_assert(std::atomic<bool>::is_always_lock_free);

bool on_main_thread() {
#ifdef __linux__
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np() != 0;
#endif
}

// Tells us, and does what the handler before it did.
void press(int number, siginfo_t* info, void* context) {
  pressed.store(true, std::memory_order_relaxed);
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(number, info, context);
  else
    before.sa_handler(number);
}

void listen() {
  listening = true;
  pressed = false;
  if (sigaction(SIGINT, nullptr, &before) != 0) return;
  if (!(before.sa_flags & SA_SIGINFO) && (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)) return;
  struct sigaction ours = before;
  ours.sa_sigaction = press;
  ours.sa_flags |= SA_SIGINFO;
  sigaction(SIGINT, &ours, nullptr);
}

void stop_listening() {
  struct sigaction now;
  if (listening && sigaction(SIGINT, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == press)
    sigaction(SIGINT, &before, nullptr);
  listening = main_looked = false;
  begin.reset();
  seen.reset();
}

}  // namespace

Patience::Patience(double nanoseconds)
    : left_(static_cast<std::int64_t>(std::clamp(kBetweenLooks / (nanoseconds + 1), 1.0, kMostSteps))),
      between_(left_) {
  ++loops;
}

Patience::~Patience() {
  if (--loops == 0 && main_looked.load(std::memory_order_relaxed) && on_main_thread()) stop_listening();
}

void Patience::look() {
  left_ = between_;
  if (!on_main_thread()) return;
  const Clock::time_point now = Clock::now();
  if (!begin) {
    begin = now;
    main_looked = true;
  }
  if (!listening) {
    if (now - *begin >= kBeforeListening) listen();
    return;
  }
  if (!pressed.load(std::memory_order_relaxed)) return;
  if (!seen) seen = now;
  if (now - *seen >= kTimeToEnd) throw Interrupted();
}

}  // namespace alice
