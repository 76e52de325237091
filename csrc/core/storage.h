// Reference-counted memory. A block of ours carries its header in front of the data (one allocation);
// foreign memory (NumPy, DLPack) has a header of its own and a release function.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace alice {

struct Storage {
  std::atomic<std::int32_t> references{1};
  bool writable = true;
  std::int32_t values = 0;  // how many values show it: more than one if there are views
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  void (*release)(void* context) = nullptr;  // null: the block belongs to our allocator
  void* context = nullptr;

  static Storage* allocate(std::size_t bytes);  // contents are not initialised
  static Storage* adopt(void* data, std::size_t bytes, bool writable, void (*release)(void*), void* context);
  void destroy();

  // Grows with every in-place change, so that a saved value which changed can be told.
  std::uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  // When that was, on a clock that ticks with the changes; 0 for never.
  std::uint64_t changed() const { return changed_.load(std::memory_order_relaxed); }
  // By whoever is about to change the memory, and holds its lock (locks.h). What changes at once has one time.
  void mark_changed(std::uint64_t now = tick()) {
    version_.store(version() + 1, std::memory_order_relaxed);
    changed_.store(now, std::memory_order_relaxed);
  }
  static std::uint64_t now() { return clock.load(std::memory_order_relaxed); }
  static std::uint64_t tick() { return clock.fetch_add(1, std::memory_order_relaxed) + 1; }

 private:
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint64_t> changed_{0};
  static std::atomic<std::uint64_t> clock;
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
    if (!storage_) return;
    // Who has the only reference knows it: nobody else can make one more.
    if (storage_->references.load(std::memory_order_acquire) == 1 ||
        storage_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      storage_->destroy();
  }

  Storage* get() const { return storage_; }
  Storage* operator->() const { return storage_; }
  explicit operator bool() const { return storage_ != nullptr; }

 private:
  Storage* storage_ = nullptr;
};

}  // namespace alice
