// Memory for what a function computes on the way: stacks may be small, and the heap is shared by all threads. Each
// thread keeps a block of its own, from which its Scratch is cut as from a stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace alice {

namespace scratch {
// 64-byte aligned. Throws std::bad_alloc.
std::byte* take(std::size_t bytes);
void give_back(std::byte* memory, std::size_t bytes);
}  // namespace scratch

// `count` items that nobody has initialised. Lives on the C++ stack: what was taken last goes first.
template <class T>
class Scratch {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Scratch(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)), memory_(bytes_ ? scratch::take(bytes_) : nullptr) {}
  ~Scratch() {
    if (bytes_) scratch::give_back(memory_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const { return reinterpret_cast<T*>(memory_); }
  T& operator[](std::int64_t i) const { return data()[i]; }

 private:
  std::size_t bytes_;
  std::byte* memory_;
};

}  // namespace alice
