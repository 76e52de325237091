#include "broadcast.h"

#include <algorithm>
#include <cstring>

namespace alice {
namespace {

// Copies n items, `step` bytes apart, one after another.
template <class T>
[[gnu::noinline]] void copy_apart(const std::byte* from, std::int64_t step, std::int64_t n, std::byte* to) {
  constexpr std::int64_t kAtOnce = 4;
  const std::byte* const end = to + n * std::int64_t{sizeof(T)};
  for (; n >= kAtOnce; n -= kAtOnce, from += kAtOnce * step, to += kAtOnce * sizeof(T)) {
    T items[kAtOnce];
    for (int k = 0; k < kAtOnce; ++k) std::memcpy(&items[k], from + k * step, sizeof(T));
    std::memcpy(to, items, sizeof items);
  }
  for (; to != end; from += step, to += sizeof(T)) std::memcpy(to, from, sizeof(T));
}
template <class T>
void copy_row(const std::byte* from, std::int64_t step, std::int64_t n, std::byte* to) {
  if (step != 0) return copy_apart<T>(from, step, n, to);
  T value;
  std::memcpy(&value, from, sizeof value);
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + i * std::int64_t{sizeof(T)}, &value, sizeof value);
}
void copy_row(std::int64_t item, const std::byte* from, std::int64_t step, std::int64_t n, std::byte* to) {
  if (step == item) {
    std::memcpy(to, from, static_cast<std::size_t>(n * item));
  } else if (item == 2) {
    copy_row<std::uint16_t>(from, step, n, to);
  } else if (item == 4) {
    copy_row<std::uint32_t>(from, step, n, to);
  } else if (item == 8) {
    copy_row<std::uint64_t>(from, step, n, to);
  } else {
    copy_row<std::uint8_t>(from, step, n, to);
  }
}

// Rows shorter than this cost less one item after the other than by a call each.
constexpr std::int64_t kShort = 16;

// Rows of n items, `step` bytes apart, one row after another; they begin `apart` bytes from each other.
template <class T>
void copy_rows(const std::byte* from, std::int64_t apart, std::int64_t step, std::int64_t rows, std::int64_t n,
               std::byte* to) {
  for (std::int64_t row = 0; row < rows; ++row, from += apart)
    for (std::int64_t i = 0; i < n; ++i, to += sizeof(T)) std::memcpy(to, from + i * step, sizeof(T));
}
void copy_rows(std::int64_t item, const std::byte* from, std::int64_t apart, std::int64_t step, std::int64_t rows,
               std::int64_t n, std::byte* to) {
  if (item == 8) return copy_rows<std::uint64_t>(from, apart, step, rows, n, to);
  if (item == 4) return copy_rows<std::uint32_t>(from, apart, step, rows, n, to);
  for (std::int64_t row = 0; row < rows; ++row, from += apart, to += n * item) copy_row(item, from, step, n, to);
}

// Operand::gather of several axes whose rows are short: as many whole rows at once as lie one after another.
void gather_short(const Walk<1>& walk, std::int64_t item, const std::byte* data, std::int64_t begin, std::int64_t n,
                  std::byte* to) {
  const int outer = walk.rank() - 2;
  const std::int64_t length = walk.row(), step = walk.row_step() * item;
  const std::int64_t height = walk.extent(outer), apart = walk.step(outer) * item;
  std::int64_t within = begin % length, at = begin / length % height;
  for (Walk<1>::Cursor rows(walk, outer, begin / length / height); n > 0; rows.next(), at = 0) {
    const std::byte* row = data + rows.offset() * item + at * apart;
    while (at < height && n > 0) {
      std::int64_t run = std::min(n, length - within), count = 1;
      if (run == length) count = std::min(n / length, height - at);
      copy_rows(item, row + within * step, apart, step, count, run, to);
      row += count * apart;
      to += count * run * item;
      n -= count * run;
      at += count;
      within = 0;
    }
  }
}

}  // namespace

void splat(std::int64_t item, const std::byte* from, std::int64_t n, std::byte* to) { copy_row(item, from, 0, n, to); }

bool broadcast_into(Dims& shape, const Dims& other) {
  if (other == shape) return true;
  const bool longer = other.size() > shape.size();
  Dims together = longer ? other : shape;
  const Dims& shorter = longer ? shape : other;
  for (int i = 1; i <= shorter.size(); ++i) {
    std::int64_t& a = together[together.size() - i];
    const std::int64_t b = shorter[shorter.size() - i];
    if (a == b || b == 1) continue;
    if (a != 1) return false;
    a = b;
  }
  shape = together;
  return true;
}

Array broadcast_view(const Array& x, const Dims& shape) {
  Dims strides = shape;
  for (int axis = 0; axis < shape.size(); ++axis) strides[axis] = broadcast_step(x, shape, axis);
  return Array::view(x, shape, strides, 0);
}

Operand::Operand(const Array& x, const Dims& result) : item_(static_cast<std::int64_t>(itemsize(x.dtype()))) {
  std::int64_t size = 1;
  for (int axis = 0; axis < result.size(); ++axis) {
    size *= result[axis];
    walk_.add(result[axis], {broadcast_step(x, result, axis)});
  }
  const int rank = walk_.rank();
  single_ = rank == 0 || (rank == 1 && walk_.step(0) == 0);
  contiguous_ = rank == 1 && walk_.step(0) == 1;
  period_ = single_ ? 1 : walk_.step(0) == 0 ? size / std::max<std::int64_t>(walk_.extent(0), 1) : size;
  row_ = rank > 0 && walk_.row_step() == 1 ? walk_.row() : 1;
  held_ = rank > 0 && walk_.row_step() == 0 ? walk_.row() : 1;
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
  const std::int64_t length = walk_.row(), step = walk_.row_step();
  if (begin == 0 && n <= length) return copy_row(item_, data, step * item_, n, to);  // as a bias is, most of the time
  std::int64_t within = begin % length;
  if (length < kShort && n >= 4 * length && walk_.rank() > 1) return gather_short(walk_, item_, data, begin, n, to);
  for (Walk<1>::Cursor row(walk_, walk_.rank() - 1, begin / length); n > 0; row.next()) {
    const std::int64_t run = std::min(n, length - within);
    copy_row(item_, data + (row.offset() + within * step) * item_, step * item_, run, to);
    to += run * item_;
    n -= run;
    within = 0;
  }
}

}  // namespace alice
