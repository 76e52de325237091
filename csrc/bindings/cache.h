// Cache: the traced calls of one compiled function, the most recently used first. Its entries keep nothing alive that
// can be told to be gone: an object that is part of a signature, such as the `self` of a method, is held weakly.
#pragma once

#include <utility>

#include "replay.h"
#include "surroundings.h"

namespace alice {

class Cache {
 public:
  struct Entry {
    std::vector<std::uint64_t> words;
    std::vector<py::object> objects;  // or weak references to them
    std::vector<bool> weak;
    Traced traced;
    Surroundings surroundings;
    mutable std::size_t references = 0;
  };

  // Shares an entry, which may leave the cache while it runs. Only who has the interpreter's lock counts: no atomics.
  class Ref {
   public:
    Ref() = default;
    explicit Ref(const Entry* entry) : entry_(entry) {
      if (entry_) ++entry_->references;
    }
    Ref(const Ref& other) : Ref(other.entry_) {}
    Ref(Ref&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Ref() {
      if (entry_ && --entry_->references == 0) delete entry_;
    }
    const Entry* operator->() const { return entry_; }
    const Entry& operator*() const { return *entry_; }
    explicit operator bool() const { return entry_; }
    bool is_shared() const { return entry_->references > 1; }

   private:
    const Entry* entry_ = nullptr;
  };

  explicit Cache(std::size_t room) : room_(room) {}

  // The entry for these arguments of the function. Where there is none, `changed` may get what has changed since
  // a call with such arguments was traced.
  Ref find(PyObject* function, const Arguments& arguments, std::string* changed);
  void count(bool hit) { ++(hit ? hits_ : misses_); }
  // `forget` is called with the weak reference when one of the objects is gone.
  Ref add(PyObject* function, const Arguments& arguments, Traced traced, py::handle forget);
  void drop_dead();  // entries of which an object is gone
  void clear();

  std::size_t room() const { return room_; }
  std::size_t size() const { return entries_.size(); }
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

  int traverse(visitproc visit, void* arg) const;

 private:
  std::size_t room_;
  std::uint64_t hits_ = 0, misses_ = 0;
  std::vector<Ref> entries_;
};

}  // namespace alice
