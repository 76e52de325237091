#include "scratch.h"

#include <algorithm>
#include <new>

namespace alice::scratch {
namespace {

constexpr std::size_t kAlign = 64;
constexpr std::size_t kFirst = 128 * 1024;      // what nearly all calls need at most
constexpr std::size_t kKept = 8 * 1024 * 1024;  // a thread keeps no larger block

struct Block {
  std::byte* memory;
  std::size_t size, used;
  std::size_t wanted;  // the most that was asked for at once
};
thread_local constinit Block block{};

std::size_t rounded(std::size_t bytes) { return std::max<std::size_t>(1, (bytes + kAlign - 1) / kAlign) * kAlign; }

std::byte* allocate(std::size_t bytes) {
  return static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kAlign}));
}
void release(std::byte* memory) { ::operator delete(memory, std::align_val_t{kAlign}); }

struct AtThreadEnd {
  ~AtThreadEnd() {
    release(block.memory);
    block = {};
  }
};

// The block grows while nobody uses it. What does not fit before lies elsewhere.
[[gnu::noinline]] std::byte* take_more(std::size_t bytes) {
  if (bytes > kKept) return allocate(bytes);
  block.wanted = std::max(block.wanted, block.used + bytes);
  if (block.used != 0) return allocate(bytes);
  thread_local AtThreadEnd at_end;
  static_cast<void>(&at_end);
  const std::size_t size = std::clamp(block.wanted, kFirst, kKept);
  std::byte* memory = allocate(size);
  release(block.memory);
  block.memory = memory;
  block.size = size;
  block.used = bytes;
  return memory;
}

}  // namespace

std::byte* take(std::size_t bytes) {
  bytes = rounded(bytes);
  const bool outgrown = block.used == 0 && block.wanted > block.size && block.size < kKept;
  if (outgrown || bytes > block.size - block.used) return take_more(bytes);
  std::byte* memory = block.memory + block.used;
  block.used += bytes;
  return memory;
}

void give_back(std::byte* memory, std::size_t bytes) {
  if (memory >= block.memory && memory < block.memory + block.size)
    block.used -= rounded(bytes);
  else
    release(memory);
}

}  // namespace alice::scratch
