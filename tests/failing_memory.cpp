// Preloaded by test_out_of_memory.py: makes the n-th allocation fail, of C++ objects and of the arrays' memory. CPython
// and NumPy use malloc, which stays as it is.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> left{-1};     // allocations that succeed before one fails; negative: all do
std::atomic<bool> rest{false};  // the later ones fail too

bool fails() {
  long n = left.load();
  while (n > 0 && !left.compare_exchange_weak(n, n - 1)) {
  }
  if (n == 0 && !rest) left = -1;
  return n == 0;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void memory_fails_after(long n, int all) {
  rest = all != 0;
  left = n;
}

// How many allocations are still to succeed; 0 or -1 if one has failed.
__attribute__((visibility("default"))) long memory_left() { return left; }

__attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment, std::size_t size) {
  static auto* real = reinterpret_cast<void* (*)(std::size_t, std::size_t)>(dlsym(RTLD_NEXT, "aligned_alloc"));
  return fails() ? nullptr : real(alignment, size);
}
}

void* operator new(std::size_t size) {
  if (fails()) throw std::bad_alloc();
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return fails() ? nullptr : std::malloc(size ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept { return operator new(size, tag); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
