#include "storage.h"

#include <limits>
#include <new>

#include "allocator.h"

namespace alice {
namespace {
// The header takes one cache line, and the data behind it stays 64-byte aligned.
constexpr std::size_t kHeader = 64;
static_assert(sizeof(Storage) <= kHeader);
}  // namespace

std::atomic<std::uint64_t> Storage::clock{0};

Storage* Storage::allocate(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() - kHeader) throw std::bad_alloc();
  auto* block = static_cast<std::byte*>(allocator::allocate(kHeader + bytes));
  auto* s = new (block) Storage;
  s->data = block + kHeader;
  s->bytes = bytes;
  return s;
}

Storage* Storage::adopt(void* data, std::size_t bytes, bool writable, void (*release)(void*), void* context) {
  auto* s = new Storage;
  s->data = static_cast<std::byte*>(data);
  s->bytes = bytes;
  s->writable = writable;
  s->release = release;
  s->context = context;
  return s;
}

void Storage::destroy() {
  if (release) {
    release(context);
    delete this;
  } else {
    allocator::release(this, kHeader + bytes);
  }
}

}  // namespace alice
