// Dtypes that are for storage alone (dtype.h) on the way to arithmetic and back, for kernels that know nothing of them.
#pragma once

#include <memory>

#include "dtype.h"

namespace alice {

class Array;
struct Call;
class Prepared;

// n elements, one after another, from a dtype to float32 and back.
struct Conversion {
  void (*widen)(std::int64_t n, const void* stored, float* to);
  void (*narrow)(std::int64_t n, const float* from, void* to);
};
const Conversion& conversion(DType t);  // of a dtype for storage alone
void set_conversion(DType t, const Conversion& conversion);

// A call whose kernel takes only dtypes that are computed in, and whose operands have others: the operands are widened
// as a whole, and the results narrowed.
bool needs_widening(const Call& call);
void infer_widened(Call& call);
void run_widened(const Call& call);
std::unique_ptr<Prepared> prepare_widened(const Call& call);

}  // namespace alice
