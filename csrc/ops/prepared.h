// What families of kernels share that prepare their calls: eager execution prepares a call and runs it once.
#pragma once

#include <memory>

#include "../core/kernel.h"
#include "strided_copy.h"

namespace alice {

// Kernel::run and Kernel::prepare by way of a Prepared that is made from a Call.
template <class Work>
void run_once(const Call& call) {
  Work(call).run(call);
}

template <class Work>
std::unique_ptr<Prepared> prepare_call(const Call& call) {
  return std::make_unique<Work>(call);
}

// An operand that is read in row-major order: where it lies, or from a copy that each run makes.
class RowMajor {
 public:
  explicit RowMajor(const Array& a) : direct_(a.is_contiguous()) {}
  bool direct() const { return direct_; }
  const Array& of(const Array& a, Array& copy) const { return direct_ ? a : copy = as_contiguous(a); }

 private:
  bool direct_;
};

}  // namespace alice
