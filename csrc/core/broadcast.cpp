#include "broadcast.h"

#include <algorithm>
#include <cstring>

namespace alice {
namespace {

// Copies n items, `step` bytes apart, one after another.
template <class T>
void copy_row(const std::byte* from, std::int64_t step, std::int64_t n, std::byte* to) {
  if (step == 0) {
    T value;
    std::memcpy(&value, from, sizeof value);
    for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + i * std::int64_t{sizeof(T)}, &value, sizeof value);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + i * std::int64_t{sizeof(T)}, from + i * step, sizeof(T));
}
void copy_row(std::int64_t item, const std::byte* from, std::int64_t step, std::int64_t n, std::byte* to) {
  if (step == item) {
    std::memcpy(to, from, static_cast<std::size_t>(n * item));
  } else if (item == 4) {
    copy_row<std::uint32_t>(from, step, n, to);
  } else if (item == 8) {
    copy_row<std::uint64_t>(from, step, n, to);
  } else {
    copy_row<std::uint8_t>(from, step, n, to);
  }
}

}  // namespace

void splat(std::int64_t item, const std::byte* from, std::int64_t n, std::byte* to) { copy_row(item, from, 0, n, to); }

Operand::Operand(const Array& x, const Dims& result) : item_(static_cast<std::int64_t>(itemsize(x.dtype()))) {
  std::int64_t size = 1;
  for (int axis = 0; axis < result.size(); ++axis) {
    if (result[axis] == 1) continue;
    size *= result[axis];
    const int own = axis - (result.size() - x.rank());
    const std::int64_t step = own < 0 || x.dim(own) == 1 ? 0 : x.strides()[own];
    const int last = shape_.size() - 1;
    if (last >= 0 && strides_[last] == step * result[axis]) {
      shape_[last] *= result[axis];
      strides_[last] = step;
    } else {
      shape_.push_back(result[axis]);
      strides_.push_back(step);
    }
  }
  single_ = shape_.empty() || (shape_.size() == 1 && strides_[0] == 0);
  contiguous_ = shape_.size() == 1 && strides_[0] == 1;
  period_ = single_ ? 1 : strides_[0] == 0 ? size / std::max<std::int64_t>(shape_[0], 1) : size;
  row_ = !shape_.empty() && strides_.back() == 1 ? shape_.back() : 1;
}

std::int64_t Operand::offset(std::int64_t at) const {
  std::int64_t offset = 0;
  for (int axis = shape_.size() - 1; axis >= 0; --axis) {
    offset += at % shape_[axis] * strides_[axis];
    at /= shape_[axis];
  }
  return offset;
}

void Operand::gather(const std::byte* data, std::int64_t begin, std::int64_t n, std::byte* to) const {
  if (single_) return splat(item_, data, n, to);
  if (period_ < n) {  // once, then copies of what is there, twice as much each time
    gather(data, begin, period_, to);
    for (std::int64_t filled = period_; filled < n;) {
      const std::int64_t more = std::min(filled, n - filled);
      std::memcpy(to + filled * item_, to, static_cast<std::size_t>(more * item_));
      filled += more;
    }
    return;
  }
  const int last = shape_.size() - 1;
  std::int64_t index[kMaxRank], offset = 0, rest = begin;
  for (int axis = last; axis >= 0; --axis) {
    index[axis] = rest % shape_[axis];
    rest /= shape_[axis];
    offset += index[axis] * strides_[axis];
  }
  while (n > 0) {
    const std::int64_t run = std::min(n, shape_[last] - index[last]);
    copy_row(item_, data + offset * item_, strides_[last] * item_, run, to);
    to += run * item_;
    n -= run;
    offset += run * strides_[last];
    index[last] += run;
    for (int axis = last; axis >= 0 && index[axis] == shape_[axis]; --axis) {
      offset -= shape_[axis] * strides_[axis];
      index[axis] = 0;
      if (axis > 0) {
        offset += strides_[axis - 1];
        ++index[axis - 1];
      }
    }
  }
}

}  // namespace alice
