// Contexts: which differentiations a value matters to. A context is a call of grad, vjp or jvp that has not returned.
// It has a number that is never used again, so that whatever outlives it is a plain constant in all that come later.
// backward() is a context too, number 0, which never ends.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace alice {

constexpr std::uint64_t kBackward = 0;
std::uint64_t new_context();      // a number for the next one: the inner of two contexts has the greater one
std::uint64_t contexts_so_far();  // all numbers are less

// A set of contexts. Most values belong to none or one beside backward(), which is a word; what holds several numbers
// is shared by those who have them, under the interpreter's lock.
class Contexts {
 public:
  Contexts() = default;  // none
  explicit Contexts(std::uint64_t number) : word_(number == kBackward ? kHasBackward : number << 2) {}
  static Contexts of(std::span<const std::uint64_t> numbers);  // increasing
  Contexts(const Contexts& o) noexcept : Contexts(o.word_, Word{}) {}
  Contexts(Contexts&& o) noexcept : word_(std::exchange(o.word_, 0)) {}
  Contexts& operator=(Contexts o) noexcept {
    std::swap(word_, o.word_);
    return *this;
  }
  ~Contexts() {
    if (word_ & kSeveral) [[unlikely]]
      let_go();
  }

  explicit operator bool() const { return word_ != 0; }
  bool has_backward() const { return word_ & kHasBackward; }
  bool has_others() const { return others() != 0; }  // than backward()
  bool has(std::uint64_t number) const { return contains(Contexts(number)); }
  bool contains(const Contexts& o) const {
    if ((o.word_ & ~word_) & kHasBackward) return false;
    return !o.others() || o.others() == others() || contains_others(o);
  }
  std::uint64_t innermost() const;  // number of; there is one
  std::vector<std::uint64_t> numbers() const;

  friend Contexts operator&(const Contexts& a, const Contexts& b) {
    const std::uint64_t backward = a.word_ & b.word_ & kHasBackward;
    if (!a.others()) return Contexts(backward, Word{});
    if (a.others() == b.others()) return Contexts(a.others() | backward, Word{});
    return common(a, b);
  }
  Contexts& operator|=(const Contexts& o) {
    if (!o.others() || o.others() == others())
      word_ |= o.word_ & kHasBackward;
    else
      *this = united(*this, o);
    return *this;
  }
  friend Contexts operator|(Contexts a, const Contexts& b) { return std::move(a |= b); }
  friend Contexts operator-(const Contexts& a, const Contexts& b);

 private:
  // backward() is a bit. The others are nothing, one number, or the address of a list of several.
  static constexpr std::uint64_t kHasBackward = 1, kSeveral = 2;
  struct Several;
  struct Word {};
  Contexts(std::span<const std::uint64_t> others, std::uint64_t backward);
  Contexts(std::uint64_t word, Word) noexcept : word_(word) {
    if (word_ & kSeveral) [[unlikely]]
      hold();
  }
  std::uint64_t others() const { return word_ & ~kHasBackward; }

  void hold() noexcept;
  void let_go() noexcept;
  Several* several() const;
  std::span<const std::uint64_t> list(std::uint64_t& one) const;  // of the others; `one` is room for a single number
  bool contains_others(const Contexts& o) const;
  static Contexts common(const Contexts& a, const Contexts& b);
  static Contexts united(const Contexts& a, const Contexts& b);

  std::uint64_t word_ = 0;
};

}  // namespace alice
