#include "allocator.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "brief_lock.h"
#include "fork.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace alice::allocator {
namespace {

constexpr std::size_t kAlignment = 64;
#ifdef __SANITIZE_ADDRESS__
// AddressSanitizer watches what comes from malloc, and what it is told about.
constexpr std::size_t kMapped = SIZE_MAX;
void forbid(void* memory, std::size_t bytes) { __asan_poison_memory_region(memory, bytes); }
void permit(void* memory, std::size_t bytes) { __asan_unpoison_memory_region(memory, bytes); }
#else
constexpr std::size_t kMapped = std::size_t{1} << 20;  // from here on blocks are mapped, not malloc'ed
void forbid(void*, std::size_t) {}
void permit(void*, std::size_t) {}
#endif
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr int kStepsPerDoubling = 8;  // at most 1/8 of a block is wasted
constexpr int kClasses = 64 * kStepsPerDoubling;
constexpr std::size_t kLargest = std::size_t{1} << 62;  // leaves room for what is added to a size

// Sizes 64, 128, …, 512, then eight steps in each doubling.
int size_class(std::size_t bytes) {
  const std::size_t units = bytes == 0 ? 1 : (bytes + kAlignment - 1) / kAlignment;
  if (units <= kStepsPerDoubling) return static_cast<int>(units) - 1;
  const int shift = std::bit_width(units - 1) - 4;  // keeps the leading four bits, rounded up
  const std::size_t top = ((units - 1) >> shift) + 1;
  return shift * kStepsPerDoubling + static_cast<int>(top) - 1;
}

std::size_t class_bytes(int c) {
  if (c < kStepsPerDoubling) return static_cast<std::size_t>(c + 1) * kAlignment;
  const int shift = (c - kStepsPerDoubling) / kStepsPerDoubling;
  const int top = c - shift * kStepsPerDoubling + 1;
  return (static_cast<std::size_t>(top) << shift) * kAlignment;
}

struct FreeBlock {
  FreeBlock* next;
};

// Leaked on purpose: arrays may outlive static destruction at interpreter exit.
struct State {
  BriefLock mutex;
  FreeBlock* free[kClasses] = {};
  MemoryStats stats{};
  std::int64_t until_failure = -1;  // allocations that succeed before one fails; negative: all do
};
State& state() {
  static State* s = new State;
  return *s;
}

[[maybe_unused]] const bool survives_fork = (fork::cover(state().mutex), true);

std::size_t mapped_bytes(std::size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

void* from_system(std::size_t bytes) {
  if (bytes < kMapped) return std::aligned_alloc(kAlignment, bytes);
  // Large blocks start on a huge page, so that 2 MiB instead of 4 KiB are faulted in at a time.
  const std::size_t want = mapped_bytes(bytes);
  void* raw = mmap(nullptr, want + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(raw);
  char* aligned =
      reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(start) + kHugePage - 1) / kHugePage * kHugePage);
  if (aligned != start) munmap(start, static_cast<std::size_t>(aligned - start));
  char* end = start + want + kHugePage;
  if (aligned + want != end) munmap(aligned + want, static_cast<std::size_t>(end - (aligned + want)));
#ifdef MADV_HUGEPAGE
  madvise(aligned, want, MADV_HUGEPAGE);
#endif
  return aligned;
}

void to_system(void* block, std::size_t bytes) {
  if (bytes < kMapped)
    std::free(block);
  else
    munmap(block, mapped_bytes(bytes));
}

FreeBlock* take_all(State& s, int c) {
  std::lock_guard lock(s.mutex);
  FreeBlock* first = std::exchange(s.free[c], nullptr);
  for (FreeBlock* block = first; block; block = block->next) s.stats.cached_bytes -= class_bytes(c);
  return first;
}

// One block of a class that has none. What is kept of other classes goes back if the system has no more.
[[gnu::noinline]] void* fresh(int c) {
  void* block = from_system(class_bytes(c));
  if (!block) {
    trim();
    block = from_system(class_bytes(c));
    if (!block) throw std::bad_alloc();
  }
  return block;
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes > kLargest) throw std::bad_alloc();
  const int c = size_class(bytes);
  const std::size_t size = class_bytes(c);
  State& s = state();
  std::unique_lock lock(s.mutex);
  if (s.until_failure >= 0 && s.until_failure-- == 0) throw std::bad_alloc();
  void* block = s.free[c];
  if (block) {
    s.free[c] = s.free[c]->next;
    s.stats.cached_bytes -= size;
  } else {
    lock.unlock();
    block = fresh(c);
    lock.lock();
    ++s.stats.system_calls;
  }
  ++s.stats.allocations;
  s.stats.live_bytes += size;
  if (s.stats.live_bytes > s.stats.peak_bytes) s.stats.peak_bytes = s.stats.live_bytes;
  lock.unlock();
  permit(block, bytes);
  forbid(static_cast<std::byte*>(block) + bytes, size - bytes);
  return block;
}

void release(void* block, std::size_t bytes) {
  const int c = size_class(bytes);
  State& s = state();
  std::lock_guard lock(s.mutex);
  permit(block, sizeof(FreeBlock));
  auto* freed = new (block) FreeBlock;
  forbid(freed + 1, class_bytes(c) - sizeof(FreeBlock));
  freed->next = s.free[c];
  s.free[c] = freed;
  s.stats.live_bytes -= class_bytes(c);
  s.stats.cached_bytes += class_bytes(c);
}

void trim() {
  for (int c = 0; c < kClasses; ++c)
    for (FreeBlock* block = take_all(state(), c); block;) {
      permit(block, class_bytes(c));
      to_system(std::exchange(block, block->next), class_bytes(c));
    }
}

MemoryStats stats() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  return s.stats;
}

void reset_peak() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.stats.peak_bytes = s.stats.live_bytes;
}

void fail_after(std::int64_t allocations) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.until_failure = allocations;
}

}  // namespace alice::allocator
