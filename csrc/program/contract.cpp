// Hot: every call runs through here.
#include "contract.h"

namespace alice::program {

bool Binding::holds(const Variable& v) const {
  if (is_number || !v.value) return is_number && !v.value;
  if (v.requires_grad != requires_grad) return false;
  if (memory.bytes() ? memory.bytes() != v.value->bytes() : v.value->dtype() != dtype || !(v.value->shape() == shape))
    return false;
  if (gradient == Gradient::Unread) return true;
  if (!v.gradient) return gradient == Gradient::Absent;
  return gradient == Gradient::Present && v.gradient->dtype() == gradient_dtype && v.gradient->shape() == shape;
}

Binding describe(const Variable& v) {
  Binding b;
  b.dtype = v.value->dtype();
  b.shape = v.value->shape();
  b.requires_grad = v.requires_grad;
  b.gradient = v.gradient ? Binding::Gradient::Present : Binding::Gradient::Absent;
  if (v.gradient) b.gradient_dtype = v.gradient->dtype();
  return b;
}

void Contract::finish() {
  const auto collect = [&](const std::vector<Binding>& bindings, bool is_argument) {
    for (std::size_t i = 0; i < bindings.size(); ++i)
      if (bindings[i].touches_gradient()) touched.push_back({is_argument, static_cast<int>(i)});
  };
  collect(arguments, true);
  collect(outside, false);
}

}  // namespace alice::program
