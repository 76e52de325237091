// Dtypes that are for storage alone (dtype.h) on the way to arithmetic and back, for kernels that know nothing of them.
#pragma once

#include <cstddef>
#include <memory>

#include "dtype.h"

namespace alice {

class Array;
struct Call;
class Prepared;

// n elements, one after another, to another dtype. Null: they have the same bits there.
using Convert = void (*)(std::int64_t n, const void* from, void* to);

// From a dtype to that of its arithmetic, and back: floating numbers are rounded, integers wrap around.
struct Conversion {
  Convert widen, narrow;
  Convert saturate = nullptr;  // as narrow, but integers that do not fit become the nearest one: those of real numbers
};
const Conversion& conversion(DType t);  // of a dtype for storage alone
void set_conversion(DType t, const Conversion& conversion);

// A call whose kernel takes only dtypes that are computed in, and whose operands have others: the operands are widened
// as a whole, and the results narrowed.
bool needs_widening(const Call& call);
void infer_widened(Call& call);
void run_widened(const Call& call);
std::unique_ptr<Prepared> prepare_widened(const Call& call);

// ---- single elements, of every dtype --------------------------------------------------------------------------------

std::int64_t integer_at(const std::byte* element, DType t);  // of an integer dtype, or bool; uint64 as its bits
double real_at(const std::byte* element, DType t);
void write_integer(std::int64_t number, DType t, void* to);  // which an integer dtype holds
void write_real(double number, DType t, void* to);           // in a floating dtype

// Which integers a dtype holds. Those that the same dtypes hold have one width: how many bits they need besides a sign,
// and 128 more where they have one. 0 stands for what is not known.
std::uint8_t width_of(std::int64_t number);
bool holds_width(DType t, std::uint8_t width);
inline bool holds(DType t, std::int64_t number) {
  return t == DType::Bool ? number >> 1 == 0 : holds_width(t, width_of(number));
}
bool holds(DType t, double number);

}  // namespace alice
