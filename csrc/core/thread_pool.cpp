// Small: it waits for the work that it gives out.
#include "thread_pool.h"

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fork.h"

namespace alice {
namespace {

// CPUs this process may use: its affinity mask, lowered by the container's CPU quota (cgroup v2 or v1).
int available_cpus() {
  int cpus = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = std::max(1, CPU_COUNT(&set));
  double quota = -1, period = -1;
  std::string first;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> first >> period) {
    if (first != "max") quota = std::atof(first.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota > 0 && period > 0) cpus = std::clamp(static_cast<int>(quota / period + 0.5), 1, cpus);
#endif
  return cpus;
}

int initial_threads() {
  if (const char* wish = std::getenv("ALICE_NUM_THREADS")) {
    const int n = std::atoi(wish);
    if (n >= 1) return std::min(n, 1024);
  }
  return available_cpus();
}

using Clock = std::chrono::steady_clock;

// A woken thread takes some 50 microseconds to run on a virtual CPU that was idle: threads look this long for what
// they wait for before they sleep.
constexpr auto kPatience = std::chrono::microseconds(200);
constexpr int kRoundsBetweenTries = 1000;  // to start threads, where the system refused

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits for ready() until patience ends, and says whether it came.
template <class Ready>
bool spin_for(Ready&& ready) {
  const auto give_up = Clock::now() + kPatience;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (Clock::now() < give_up);
  return ready();
}

// One round of work. Workers take chunk numbers from `next`; the owner takes chunks too, and then waits until no
// worker computes one. What the first body throws that does ends the round, and is thrown on by the owner.
class Pool {
 public:
  int size() const { return size_.load(std::memory_order_relaxed); }

  void resize(int n) {
    std::lock_guard owner(owner_);
    stop_workers();
    size_ = n;
  }

  void run(std::int64_t chunks, void (*body)(void*, std::int64_t), void* context) {
    std::unique_lock owner(owner_, std::try_to_lock);
    if (size() == 1 || inside_ || !owner) {
      for (std::int64_t c = 0; c < chunks; ++c) body(context, c);
      return;
    }
    start_workers();
    inside_ = true;
    failure_ = nullptr;
    {
      std::lock_guard lock(mutex_);
      body_ = body;
      context_ = context;
      chunks_ = chunks;
      next_.store(0, std::memory_order_relaxed);
      open_ = true;
      round_.fetch_add(1, std::memory_order_release);
    }
    keep_workers_off(current_cpu());
    wake_.notify_all();
    work();
    // No chunk is left to take: refuse late workers, and wait for those that still compute one.
    {
      std::lock_guard lock(mutex_);
      open_ = false;
    }
    const auto idle = [&] { return active_.load(std::memory_order_acquire) == 0; };
    if (!spin_for(idle)) {
      keep_workers_off(-1);  // another process has taken a worker's CPU: it may finish on this one
      std::unique_lock lock(mutex_);
      idle_.wait(lock, idle);
    }
    inside_ = false;
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  // The child of a fork has no workers: forget the parent's threads, keep its settings.
  void after_fork_in_child() {
    new (&owner_) std::mutex;
    new (&mutex_) std::mutex;
    new (&wake_) std::condition_variable;
    new (&idle_) std::condition_variable;
    new (&workers_) std::vector<std::thread>;  // the parent's handles are not ours to join
    new (&failure_) std::exception_ptr;
    inside_ = false;
    active_ = 0;
    open_ = stop_ = false;
    rounds_to_wait_ = 0;
    avoided_cpu_ = -1;
  }

 private:
  // Takes chunks until none is left; of a round that failed none is.
  void work() noexcept {
    const std::int64_t chunks = chunks_;
    try {
      for (;;) {
        const std::int64_t c = next_.fetch_add(1, std::memory_order_relaxed);
        if (c >= chunks) return;
        body_(context_, c);
      }
    } catch (...) {
      next_.store(chunks, std::memory_order_relaxed);
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  // If the system gives no more threads, those there are do the work, and it is asked again after a while.
  void start_workers() {
    if (static_cast<int>(workers_.size()) >= size() - 1) return;
    if (rounds_to_wait_ > 0) {
      --rounds_to_wait_;
      return;
    }
    avoided_cpu_ = -1;
    try {
      workers_.reserve(static_cast<std::size_t>(size() - 1));
      while (static_cast<int>(workers_.size()) < size() - 1) workers_.emplace_back([this] { loop(); });
    } catch (const std::exception&) {  // std::system_error, std::bad_alloc
      rounds_to_wait_ = kRoundsBetweenTries;
    }
  }

  // Keeps the workers off one CPU (-1: off none). That is the owner's while it works: some schedulers would leave a
  // thread that the owner woke there, to wait until the owner has done all the work.
  void keep_workers_off([[maybe_unused]] int cpu) {
#ifdef __linux__
    if (cpu == avoided_cpu_) return;
    avoided_cpu_ = cpu;
    cpu_set_t others;
    if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof others, &others) != 0) return;
    if (cpu >= 0 && CPU_COUNT(&others) > 1) CPU_CLR(cpu, &others);
    for (std::thread& t : workers_) pthread_setaffinity_np(t.native_handle(), sizeof others, &others);
#endif
  }

  static int current_cpu() {
#ifdef __linux__
    return sched_getcpu();
#else
    return -1;
#endif
  }

  void stop_workers() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& t : workers_) t.join();
    workers_.clear();
    stop_ = false;
    rounds_to_wait_ = 0;
  }

  void loop() {
    inside_ = true;
    std::uint64_t seen;
    {
      std::lock_guard lock(mutex_);
      seen = open_ ? round_ - 1 : round_.load();
    }
    const auto next_round = [&] { return round_.load(std::memory_order_acquire) != seen; };
    for (;;) {
      spin_for(next_round);  // rounds often follow each other closely
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || next_round(); });  // a new worker may meet stop_ first
        seen = round_;
        if (stop_) return;
        if (!open_) continue;  // the round ended before this worker woke
        ++active_;
      }
      work();
      if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::lock_guard lock(mutex_);
        idle_.notify_one();
      }
    }
  }

  std::atomic<int> size_{initial_threads()};
  std::mutex owner_;  // held by the thread whose work the pool does
  std::mutex mutex_;  // guards the fields below, some of which are watched without it
  std::condition_variable wake_, idle_;
  std::vector<std::thread> workers_;
  int rounds_to_wait_ = 0;  // before the system is asked for more threads
  int avoided_cpu_ = -1;
  std::atomic<std::uint64_t> round_{0};
  std::int64_t chunks_ = 0;
  std::atomic<int> active_{0};  // workers inside work()
  bool open_ = false;           // may workers still join the round?
  bool stop_ = false;
  std::atomic<std::int64_t> next_{0};
  void (*body_)(void*, std::int64_t) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr failure_;  // of this round: the first
  static thread_local bool inside_;
};

thread_local bool Pool::inside_ = false;

// Leaked on purpose: workers may still sleep in it when static objects are destroyed.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}

[[maybe_unused]] const bool survives_fork = (fork::in_child([] { pool().after_fork_in_child(); }), true);

}  // namespace

int num_threads() { return pool().size(); }
void set_num_threads(int n) { pool().resize(std::max(1, n)); }

void detail::run_chunks(std::int64_t chunks, void (*body)(void*, std::int64_t), void* context) {
  pool().run(chunks, body, context);
}

}  // namespace alice
