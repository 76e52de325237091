// Steps: what a tape that is being made does with its registers. Constants are folded, equal operations are one, what
// nobody needs goes, and steps of one kind come together.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "../core/arithmetic.h"
#include "../core/expansion.h"
#include "graph.h"

namespace alice::program {

union Register {
  double d;
  float f;
  std::byte bytes[8];
};

// What a step does: a kind of arithmetic on numbers of some kind, a loop over elements, or a call of a kernel.
enum class Op : std::uint8_t {};
constexpr Op op_of(Arithmetic kind, Numbers of) {
  return static_cast<Op>(kNumbers * static_cast<int>(kind) + static_cast<int>(of));
}
inline constexpr Op kLoop = op_of(static_cast<Arithmetic>(kArithmetics), Numbers{0});
inline constexpr Op kCall = op_of(static_cast<Arithmetic>(kArithmetics), Numbers{1});
constexpr bool is_arithmetic(Op op) { return op < kLoop; }
constexpr Arithmetic kind_of(Op op) { return static_cast<Arithmetic>(static_cast<int>(op) / kNumbers); }
constexpr Numbers numbers_of(Op op) { return static_cast<Numbers>(static_cast<int>(op) % kNumbers); }
inline const ArithmeticLoops& loops_of(Op op) { return arithmetic_loops(kind_of(op), numbers_of(op)); }
constexpr Numbers numbers_of(DType t) {  // of float32, float64 or int64, and of what has float32's place
  return t == DType::Float64 ? Numbers::Float64 : t == DType::Int64 ? Numbers::Int64 : Numbers::Float32;
}

using Registers = std::vector<std::int32_t>;  // by their numbers

class Steps {
 public:
  struct Step {
    Op op;
    std::int32_t number;  // of the loop or call, of which the maker of the tape has a list
    std::size_t first;    // among the lists: registers that it reads, then those that it writes
    std::uint32_t n_in, n_out;
  };

  std::int32_t fresh();
  std::int32_t constant(const std::byte* bits, std::size_t item);
  std::int32_t zero();  // of any dtype
  // The register that has the result. A kind of one operand reads `a`, one of two `a` and `b`.
  std::int32_t operate(Op op, std::int32_t a, std::int32_t b, std::int32_t c);
  std::int32_t operate(Op op, std::int32_t a, std::int32_t b) { return operate(op, a, b, a); }
  std::int32_t operate(Op op, const std::vector<Registers>& in, std::size_t i);  // number i of each operand
  // The registers of `n` results. Of each operand those of the items of the first one come first, and so on.
  Registers expand(const Expansion& expansion, Numbers of, std::size_t n, const std::vector<Registers>& items);
  void add(Op op, std::int32_t number, std::span<const std::int32_t> reads, std::span<const std::int32_t> writes);

  const std::vector<Step>& all() const { return steps_; }
  std::span<const std::int32_t> reads(const Step& s) const { return {lists_.data() + s.first, s.n_in}; }
  std::span<const std::int32_t> writes(const Step& s) const { return {lists_.data() + s.first + s.n_in, s.n_out}; }
  const std::vector<Register>& registers() const { return start_; }  // before the first step: the constants
  std::size_t item_of_constant(std::int32_t r) const { return constant_[static_cast<std::size_t>(r)]; }  // 0: none

  // Drops what is not needed for the registers that are marked; marks what the other steps read. Calls may throw, so
  // they stay.
  void remove_dead(std::vector<bool>& needed);

  struct Group {  // of steps of one kind that do not depend on each other
    Op op;
    std::vector<std::int32_t> steps;
  };
  // All of them, in an order in which each comes behind those that it reads from, and not so far before or behind its
  // neighbours: registers shall not be alive for long.
  std::vector<Group> grouped(std::size_t window) const;

 private:
  const Register* known(std::int32_t r) const;
  std::int32_t made(Op op, std::int32_t a, std::int32_t b, std::int32_t c);
  const Step* maker(std::int32_t r, Arithmetic kind) const;
  std::int32_t negated(std::int32_t r) const;
  bool never_negative_zero(std::int32_t r) const;
  std::int32_t opposite(std::int32_t r, bool of_numbers);
  std::int32_t with_fewer_signs(Op op, std::int32_t a, std::int32_t b, std::int32_t c);

  std::vector<Register> start_;
  std::vector<std::uint8_t> constant_;  // by register: bytes of a constant
  std::vector<std::int32_t> maker_;     // by register: the step that writes to it, or -1
  std::vector<Step> steps_;
  std::vector<std::int32_t> lists_;
  std::map<std::string, std::int32_t> constants_;
  std::map<std::tuple<Op, std::int32_t, std::int32_t, std::int32_t>, std::int32_t> made_;
};

// The kind of arithmetic that an elementwise node is; none where it converts, or works on other numbers.
std::optional<Op> arithmetic_of(const Graph& graph, const Node& node, const Elementwise& work);

// Null where a node is left to its kernel.
std::unique_ptr<Expansion> expansion_of(const Graph& graph, const Node& node);

// Of the items of `n` results, as Steps::expand() takes them: for each item those of all results.
std::vector<Registers> by_item(const Registers& items, std::size_t n);

// Of an operand of so many axes that is broadcast: which of those of the result they are.
Dims last_axes(int rank, int of);

// Of every element, in row-major order: how many elements it lies behind the first one.
std::vector<std::int64_t> positions(const Dims& shape, const Dims& strides);

// What moves elements of any dtype moves numbers that stand for them, too: where those end, the elements end.
std::vector<Array> moved(const Kernel& kernel, const Node& node, std::vector<Array> numbers);

}  // namespace alice::program
