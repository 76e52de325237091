// The pool: every chunk once, exceptions come out, and what is Running can be waited for.
#include <atomic>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../../csrc/core/allocator.h"
#include "../../csrc/core/running.h"
#include "../../csrc/core/scratch.h"
#include "../../csrc/core/thread_pool.h"
#include "check.h"

namespace alice {
namespace {

bool runs_every_chunk_once() {
  constexpr std::int64_t n = 257;
  std::vector<std::atomic<int>> times(n);
  parallel_for(n, [&](std::int64_t c) { ++times[static_cast<std::size_t>(c)]; });
  for (const auto& t : times)
    if (t != 1) return false;
  return true;
}

TEST(pool_throws_on_what_a_body_throws) {
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    CHECK(runs_every_chunk_once());
    for (int turn = 0; turn < 200; ++turn) {
      std::atomic<int> inside{0};
      std::string caught;
      try {
        parallel_for(64, [&](std::int64_t c) {
          ++inside;
          const std::vector<std::int64_t> local(100, c);  // something to unwind
          if (c % 5 == turn % 5) {
            --inside;
            throw std::runtime_error("chunk " + std::to_string(local[99]));
          }
          --inside;
        });
      } catch (const std::runtime_error& e) {
        caught = e.what();
      }
      CHECK(caught.rfind("chunk ", 0) == 0);
      CHECK(inside == 0);  // nobody uses this stack any more
    }
    CHECK(runs_every_chunk_once());
  }
  set_num_threads(1);
}

TEST(pool_is_out_of_memory) {
  set_num_threads(3);
  for (int after = 0; after < 20; ++after) {
    bool failed = false;
    allocator::fail_after(after);
    try {
      parallel_for(16, [&](std::int64_t) { allocator::release(allocator::allocate(1 << 16), 1 << 16); });
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    allocator::fail_after(-1);
    CHECK(failed == (after < 16));
  }
  CHECK(runs_every_chunk_once());
  set_num_threads(1);
}

TEST(pool_nests) {
  set_num_threads(3);
  std::atomic<int> n{0};
  bool caught = false;
  try {
    parallel_for(8, [&](std::int64_t) {
      parallel_for(8, [&](std::int64_t c) {
        ++n;
        if (c == 7) throw std::bad_alloc();
      });
    });
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  CHECK(caught && n >= 8);
  CHECK(runs_every_chunk_once());
  set_num_threads(1);
}

TEST(allocator_refuses_absurd_sizes) {
  for (const std::size_t bytes : {~std::size_t{0}, ~std::size_t{0} - 63, std::size_t{1} << 63, std::size_t{1} << 62,
                                  (std::size_t{1} << 62) + 1, std::size_t{1} << 50}) {
    bool refused = false;
    try {
      allocator::release(allocator::allocate(bytes), bytes);
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    CHECK(refused);
  }
}

TEST(running_work_is_waited_for) {
  std::atomic<bool> stop{false};
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        const Running running;
        ++inside;
        std::this_thread::yield();
        --inside;
      }
    });
  bool alone = true;
  for (int turn = 0; turn < 300; ++turn) {
    hold_off_running();
    for (int i = 0; i < 20; ++i) {
      alone = alone && inside == 0;
      std::this_thread::yield();
    }
    let_run();
  }
  CHECK(alone);
  stop = true;
  for (std::thread& t : threads) t.join();
}

TEST(scratch_is_cut_as_from_a_stack) {
  for (int turn = 0; turn < 3; ++turn) {
    const Scratch<double> none(0);
    const Scratch<double> a(1000);
    a[999] = 1;
    {
      const Scratch<float> large(std::int64_t{1} << 20), larger(std::int64_t{1} << 22);
      large[0] = larger[0] = 2;
      large[(std::int64_t{1} << 20) - 1] = 3;
    }
    const Scratch<char> b(1);
    b[0] = 4;
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0 && reinterpret_cast<std::uintptr_t>(b.data()) % 64 == 0);
    CHECK(a[999] == 1);
  }
}

}  // namespace
}  // namespace alice
