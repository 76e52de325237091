// Reference-counted memory. A block of ours carries its header in front of the data (one allocation);
// foreign memory (NumPy, DLPack) has a header of its own and a release function.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace alice {

struct Storage {
  std::atomic<std::int32_t> references{1};
  // Grows with every in-place change, so that a saved value which changed can be told.
  std::uint32_t version = 0;
  // When that was, on a clock that ticks with every change of any memory; 0 for never.
  std::uint64_t changed = 0;
  bool writable = true;
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  void (*release)(void* context) = nullptr;  // null: the block belongs to our allocator
  void* context = nullptr;

  static Storage* allocate(std::size_t bytes);  // contents are not initialised
  static Storage* adopt(void* data, std::size_t bytes, bool writable, void (*release)(void*), void* context);
  void destroy();

  static std::atomic<std::uint64_t> clock;
  void mark_changed() {
    ++version;
    changed = ++clock;
  }
};

// Shared ownership of a Storage.
class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* owned) : storage_(owned) {}
  StorageRef(const StorageRef& other) : storage_(other.storage_) {
    if (storage_) storage_->references.fetch_add(1, std::memory_order_relaxed);
  }
  StorageRef(StorageRef&& other) noexcept : storage_(other.storage_) { other.storage_ = nullptr; }
  StorageRef& operator=(StorageRef other) noexcept {
    Storage* mine = storage_;
    storage_ = other.storage_;
    other.storage_ = mine;
    return *this;
  }
  ~StorageRef() {
    if (storage_ && storage_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) storage_->destroy();
  }

  Storage* get() const { return storage_; }
  Storage* operator->() const { return storage_; }
  explicit operator bool() const { return storage_ != nullptr; }

 private:
  Storage* storage_ = nullptr;
};

}  // namespace alice
