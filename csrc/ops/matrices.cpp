// Small: the work is done elsewhere.
#include "matrices.h"

namespace alice {

void check_matrix(const Call& call, int input, const char* name) {
  const Array& a = call.in[static_cast<std::size_t>(input)];
  if (a.rank() < 2)
    fail(ErrorKind::Shape, call.kernel.name, ": ", name, " must have at least 2 dimensions; got shape ", a.shape());
  constexpr std::int64_t most = std::numeric_limits<lapack::Int>::max() / 64;
  if (std::max(rows_of(a), cols_of(a)) > most)
    fail(ErrorKind::Shape, call.kernel.name, ": matrices must have at most ", most, " rows and columns; got shape ",
         a.shape());
}

void check_square(const Call& call, int input, const char* name) {
  check_matrix(call, input, name);
  const Array& a = call.in[static_cast<std::size_t>(input)];
  if (rows_of(a) != cols_of(a))
    fail(ErrorKind::Shape, call.kernel.name, ": ", name, " must be square, with equal last two dimensions; got shape ",
         a.shape());
}

Dims batch_of(const Dims& shape) {
  Dims batch;
  for (int i = 0; i + 2 < shape.size(); ++i) batch.push_back(shape[i]);
  return batch;
}

Dims with_matrix(Dims batch, std::int64_t rows, std::int64_t cols) {
  batch.push_back(rows);
  batch.push_back(cols);
  return batch;
}

Dims with_vector(Dims batch, std::int64_t n) {
  batch.push_back(n);
  return batch;
}

Dims joint_batch(const Call& call, std::initializer_list<int> inputs) {
  Dims batch;
  for (int i : inputs)
    if (!broadcast_into(batch, batch_of(call.in[static_cast<std::size_t>(i)].shape()))) {
      std::ostringstream shapes;
      for (int k : inputs)
        shapes << (k == *inputs.begin() ? "" : " and ") << call.in[static_cast<std::size_t>(k)].shape();
      fail(ErrorKind::Shape, call.kernel.name, ": batch dimensions must be equal or 1; got shapes ", shapes.str());
    }
  return batch;
}

std::string FirstFailure::where(const Dims& batch) const {
  if (batch.empty()) return "";
  std::uint64_t item = first_.load() >> 31;
  Dims index = Dims::filled(batch.size(), 0);
  for (int i = batch.size() - 1; i >= 0; --i) {
    const auto extent = static_cast<std::uint64_t>(batch[i]);
    index[i] = static_cast<std::int64_t>(item % extent);
    item /= extent;
  }
  std::ostringstream text;
  text << " (matrix " << index << " of the batch)";
  return text.str();
}

}  // namespace alice
