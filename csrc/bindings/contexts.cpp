// Hot: every call within several contexts runs through here.
#include "contexts.h"

#include <algorithm>
#include <iterator>

namespace alice {

// All of this is under the interpreter's lock.
namespace {
std::uint64_t next = kBackward + 1;
}

std::uint64_t new_context() { return next++; }
std::uint64_t contexts_so_far() { return next; }

struct Contexts::Several {
  std::uint32_t references = 1;
  std::vector<std::uint64_t> numbers;  // increasing
};

Contexts::Several* Contexts::several() const {
  return reinterpret_cast<Several*>(static_cast<std::uintptr_t>(word_ & ~(kHasBackward | kSeveral)));
}
void Contexts::hold() noexcept { ++several()->references; }
void Contexts::let_go() noexcept {
  if (--several()->references == 0) delete several();
}

Contexts::Contexts(std::span<const std::uint64_t> others, std::uint64_t backward) : word_(backward) {
  if (others.size() == 1) word_ |= others.front() << 2;
  if (others.size() > 1)
    word_ |= reinterpret_cast<std::uintptr_t>(new Several{1, {others.begin(), others.end()}}) | kSeveral;
}

Contexts Contexts::of(std::span<const std::uint64_t> numbers) {
  const bool backward = !numbers.empty() && numbers.front() == kBackward;
  return Contexts(numbers.subspan(backward ? 1 : 0), backward ? kHasBackward : 0);
}

std::span<const std::uint64_t> Contexts::list(std::uint64_t& one) const {
  if (word_ & kSeveral) return several()->numbers;
  one = word_ >> 2;
  return {&one, one ? 1u : 0u};
}

std::uint64_t Contexts::innermost() const {
  std::uint64_t one;
  const auto all = list(one);
  return all.empty() ? kBackward : all.back();
}

std::vector<std::uint64_t> Contexts::numbers() const {
  std::vector<std::uint64_t> all;
  if (has_backward()) all.push_back(kBackward);
  std::uint64_t one;
  std::ranges::copy(list(one), std::back_inserter(all));
  return all;
}

bool Contexts::contains_others(const Contexts& o) const {
  std::uint64_t one, its_one;
  return std::ranges::includes(list(one), o.list(its_one));
}

// What is equal to one of the two shares it: so values of the same contexts get the same word, and are quick.

Contexts Contexts::common(const Contexts& a, const Contexts& b) {
  const std::uint64_t backward = a.word_ & b.word_ & kHasBackward;
  if (a.contains_others(b)) return Contexts(b.others() | backward, Word{});
  if (b.contains_others(a)) return Contexts(a.others() | backward, Word{});
  std::uint64_t one, its_one;
  std::vector<std::uint64_t> both;
  std::ranges::set_intersection(a.list(one), b.list(its_one), std::back_inserter(both));
  return Contexts(both, backward);
}

Contexts Contexts::united(const Contexts& a, const Contexts& b) {
  const std::uint64_t backward = (a.word_ | b.word_) & kHasBackward;
  if (b.contains_others(a)) return Contexts(b.others() | backward, Word{});
  if (a.contains_others(b)) return Contexts(a.others() | backward, Word{});
  std::uint64_t one, its_one;
  std::vector<std::uint64_t> any;
  std::ranges::set_union(a.list(one), b.list(its_one), std::back_inserter(any));
  return Contexts(any, backward);
}

Contexts operator-(const Contexts& a, const Contexts& b) {
  std::uint64_t one, its_one;
  const auto all = a.list(one);
  std::vector<std::uint64_t> left;
  std::ranges::set_difference(all, b.list(its_one), std::back_inserter(left));
  const std::uint64_t backward = a.word_ & ~b.word_ & Contexts::kHasBackward;
  return left.size() == all.size() ? Contexts(a.others() | backward, Contexts::Word{}) : Contexts(left, backward);
}

}  // namespace alice
