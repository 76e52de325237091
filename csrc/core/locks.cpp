// Small: nothing here is done often.
#include "locks.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <new>

#include "fork.h"

namespace alice {
namespace {

using Storages = std::vector<const Storage*>;

void sort_once(Storages& all) {
  std::sort(all.begin(), all.end(), std::less<>());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

bool contains(const Storages& sorted, const Storage* s) {
  return std::binary_search(sorted.begin(), sorted.end(), s, std::less<>());
}

bool meet(const Storages& sorted, const Storages& others) {
  auto a = sorted.begin(), b = others.begin();
  while (a != sorted.end() && b != others.end()) {
    if (*a == *b) return true;
    if (std::less<>()(*a, *b))
      ++a;
    else
      ++b;
  }
  return false;
}

}  // namespace

void Access::finish() {
  sort_once(changes);
  sort_once(reads);
}

// Leaked on purpose: threads may still hold locks when static objects are destroyed.
struct LockTable {
  std::mutex mutex;  // guards all the rest, and changes of the two counts of Locks
  std::condition_variable released;
  Locks *first = nullptr, *last = nullptr;
  int waiting = 0;

  static LockTable& instance() {
    static LockTable* table = new LockTable;
    return *table;
  }

  // In the child of a fork there is none of the threads that hold locks or wait.
  static void restart() {
    new (&instance()) LockTable;
    Locks::all_held = Locks::changing_held = 0;
  }

  void append(Locks& l) {
    l.before_ = last;
    l.behind_ = nullptr;
    (last ? last->behind_ : first) = &l;
    last = &l;
    l.listed_ = true;
  }

  void remove(Locks& l) {
    (l.before_ ? l.before_->behind_ : first) = l.behind_;
    (l.behind_ ? l.behind_->before_ : last) = l.before_;
    l.listed_ = false;
  }

  // Must the request wait for one of those from `other` on, going back in time?
  static bool blocked(const Locks& l, const Locks* other) {
    for (; other; other = other->before_)
      if (l.conflicts(*other)) return true;
    return false;
  }

  void grant(const Locks& l) {
    Locks::all_held.fetch_add(1, std::memory_order_relaxed);
    if (l.is_changing()) Locks::changing_held.fetch_add(1, std::memory_order_relaxed);
  }
};

[[maybe_unused]] const bool survives_fork =
    (fork::cover(LockTable::instance().mutex), fork::in_child(LockTable::restart), true);

bool Locks::changes(const Storage* s) const {
  return (access_ && contains(access_->changes, s)) || std::find(changes_.begin(), changes_.end(), s) != changes_.end();
}

bool Locks::touches(const Storage* s) const {
  return changes(s) || (access_ && contains(access_->reads, s)) ||
         std::find(reads_.begin(), reads_.end(), s) != reads_.end();
}

// Does this one change what the other touches?
bool Locks::changes_what(const Locks& other) const {
  if (!is_changing()) return false;
  const auto touched = [&](const Storage* s) { return other.touches(s); };
  if (std::any_of(changes_.begin(), changes_.end(), touched)) return true;
  if (!access_) return false;
  const auto changed = [&](const Storage* s) { return contains(access_->changes, s); };
  if (std::any_of(other.changes_.begin(), other.changes_.end(), changed) ||
      std::any_of(other.reads_.begin(), other.reads_.end(), changed))
    return true;
  return other.access_ &&
         (meet(access_->changes, other.access_->changes) || meet(access_->changes, other.access_->reads));
}

bool Locks::conflicts(const Locks& other) const { return changes_what(other) || other.changes_what(*this); }

bool Locks::try_lock() {
  LockTable& table = LockTable::instance();
  std::lock_guard guard(table.mutex);
  if (LockTable::blocked(*this, table.last)) return false;
  table.append(*this);
  table.grant(*this);
  return true;
}

void Locks::lock() {
  LockTable& table = LockTable::instance();
  std::unique_lock guard(table.mutex);
  table.append(*this);
  ++table.waiting;
  table.released.wait(guard, [&] { return !LockTable::blocked(*this, before_); });
  --table.waiting;
  table.grant(*this);
}

void Locks::unlock() {
  if (!listed_) return;
  LockTable& table = LockTable::instance();
  bool waited_for;
  {
    std::lock_guard guard(table.mutex);
    table.remove(*this);
    if (is_changing()) changing_held.fetch_sub(1, std::memory_order_release);
    all_held.fetch_sub(1, std::memory_order_release);
    waited_for = table.waiting > 0;
  }
  if (waited_for) table.released.notify_all();
}

}  // namespace alice
