// The caching allocator behind every Array: freed blocks wait in lists by size class and are handed out
// again, so that a loop touches the same warm pages on every turn instead of faulting in fresh ones.
#pragma once

#include <cstddef>
#include <cstdint>

namespace alice {

struct MemoryStats {
  std::uint64_t live_bytes;    // in use by arrays
  std::uint64_t peak_bytes;    // highest live_bytes so far
  std::uint64_t cached_bytes;  // freed, waiting to be reused
  std::uint64_t allocations;   // blocks handed out
  std::uint64_t system_calls;  // of those, blocks that had to come from the operating system
};

namespace allocator {
void* allocate(std::size_t bytes);  // 64-byte aligned; throws std::bad_alloc
void release(void* block, std::size_t bytes);
void trim();  // gives every cached block back to the operating system
MemoryStats stats();
void reset_peak();
// For tests: so many allocations succeed, and the next one throws. Negative: none does.
void fail_after(std::int64_t allocations);
}  // namespace allocator

}  // namespace alice
