// Locks: memory that changes in place, parameters above all, is read and changed by several threads. Work that changes
// a storage waits until nobody reads or changes it, and the other way round; work on other memory is never waited for.
#pragma once

#include <atomic>
#include <vector>

#include "storage.h"

namespace alice {

// The storages that a piece of work reads and changes, known in advance.
struct Access {
  std::vector<const Storage*> changes, reads;

  void finish();  // sorts by address, once both are filled; what is changed need not be named among what is read
};

// Reader and writer locks of any number of storages, taken all together: a request waits for those made before it that
// touch the same memory, one of the two to change it, so that nobody waits for ever and none wait for each other.
// Nobody may take locks who holds some.
//
// A storage needs no state for that: there are as many requests as threads, and each lists its storages.
class Locks {
 public:
  Locks() = default;
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;
  ~Locks() { unlock(); }

  // What they are for; before they are taken.
  void use(const Access& access) { access_ = &access; }  // which outlives them
  void read(const Storage* s) { reads_.push_back(s); }
  void change(const Storage* s) { changes_.push_back(s); }

  bool try_lock();
  void lock();  // waits
  void unlock();

  // Does anybody hold locks, or locks to change something? With "no", whoever makes sure that nobody takes any
  // meanwhile needs none either.
  static bool any_held() { return all_held.load(std::memory_order_acquire) != 0; }
  static bool any_changing() { return changing_held.load(std::memory_order_acquire) != 0; }

 private:
  friend struct LockTable;
  bool is_changing() const { return !changes_.empty() || (access_ && !access_->changes.empty()); }
  bool changes(const Storage* s) const;
  bool touches(const Storage* s) const;
  bool changes_what(const Locks& other) const;
  bool conflicts(const Locks& other) const;

  static inline std::atomic<int> all_held{0}, changing_held{0};
  const Access* access_ = nullptr;
  std::vector<const Storage*> reads_, changes_;
  Locks *before_ = nullptr, *behind_ = nullptr;  // requests, in the order in which they were made
  bool listed_ = false;
};

}  // namespace alice
