// Arena: the parts of one block of memory are given out and taken back in the order in which a program runs.
#pragma once

#include <cstdint>
#include <map>

namespace alice::program {

class Arena {
 public:
  // Both in bytes; take() gives the offset, of the smallest free part that is large enough.
  std::int64_t take(std::int64_t bytes);
  void give_back(std::int64_t at, std::int64_t bytes);

  std::int64_t size() const { return size_; }

 private:
  std::int64_t grow(std::int64_t bytes);

  std::map<std::int64_t, std::int64_t> free_;  // offset, bytes; no two are neighbours
  std::int64_t size_ = 0;
};

}  // namespace alice::program
