#include "arena.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "../core/error.h"

namespace alice::program {
namespace {

constexpr std::int64_t kAlign = 64;
constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max() / 16;  // as of one array

std::int64_t rounded(std::int64_t bytes) { return (std::max<std::int64_t>(bytes, 1) + kAlign - 1) / kAlign * kAlign; }

}  // namespace

std::int64_t Arena::take(std::int64_t bytes) {
  if (bytes < 0 || bytes > kLargest)
    fail(ErrorKind::Shape, "compile: a value of ", bytes, " bytes is too large to address; use smaller arrays");
  bytes = rounded(bytes);
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
  if (best == free_.end()) return grow(bytes);
  const auto [at, had] = *best;
  free_.erase(best);
  if (had > bytes) free_.emplace(at + bytes, had - bytes);
  return at;
}

// At the end, where the last part may be free.
std::int64_t Arena::grow(std::int64_t bytes) {
  const auto last = free_.empty() ? free_.end() : std::prev(free_.end());
  const bool extends = last != free_.end() && last->first + last->second == size_;
  const std::int64_t at = extends ? last->first : size_;
  if (bytes > kLargest - at)
    fail(ErrorKind::Shape, "compile: what lies between inputs and results is too large to address: ", at, " bytes and ",
         bytes, " more; use smaller arrays");
  if (extends) free_.erase(last);
  size_ = at + bytes;
  return at;
}

void Arena::give_back(std::int64_t at, std::int64_t bytes) {
  bytes = rounded(bytes);
  auto here = free_.emplace(at, bytes).first;
  if (auto next = std::next(here); next != free_.end() && at + here->second == next->first) {
    here->second += next->second;
    free_.erase(next);
  }
  if (here == free_.begin()) return;
  auto before = std::prev(here);
  if (before->first + before->second != here->first) return;
  before->second += here->second;
  free_.erase(here);
}

}  // namespace alice::program
