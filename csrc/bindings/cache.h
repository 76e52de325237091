// Cache: the traced calls of one compiled function, the most recently used first. Its entries keep nothing alive that
// can be told to be gone: an object that is part of a signature, such as the `self` of a method, is held weakly.
#pragma once

#include "replay.h"

namespace alice {

class Cache {
 public:
  struct Entry {
    std::vector<std::uint64_t> words;
    std::vector<py::object> objects;  // or weak references to them
    std::vector<bool> weak;
    Traced traced;
  };

  explicit Cache(std::size_t room) : room_(room) {}

  std::shared_ptr<const Entry> find(const Arguments& arguments);
  void count(bool hit) { ++(hit ? hits_ : misses_); }
  // `forget` is called with the weak reference when one of the objects is gone.
  std::shared_ptr<const Entry> add(const Arguments& arguments, Traced traced, py::handle forget);
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
  std::vector<std::shared_ptr<const Entry>> entries_;
};

}  // namespace alice
