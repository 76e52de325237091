// What the kernels of linear algebra share: shapes of matrices, batches of them divided among threads, and errors that
// say which matrix of the batch it was.
#pragma once

#include <atomic>
#include <limits>

#include "../core/broadcast.h"
#include "../core/chunks.h"
#include "../core/kernel.h"
#include "../core/scratch.h"
#include "small_loops.h"

namespace alice {

// -- shapes -----------------------------------------------------------------------------------------------------------

// At least two axes, as long as LAPACK can count.
void check_matrix(const Call& call, int input, const char* name);
void check_square(const Call& call, int input, const char* name);
Dims batch_of(const Dims& shape);  // without the last two axes
Dims with_matrix(Dims batch, std::int64_t rows, std::int64_t cols);
Dims with_vector(Dims batch, std::int64_t n);
Dims joint_batch(const Call& call, std::initializer_list<int> inputs);  // of inputs that broadcast; else ShapeError

inline std::int64_t rows_of(const Array& a) { return a.dim(a.rank() - 2); }
inline std::int64_t cols_of(const Array& a) { return a.dim(a.rank() - 1); }

// -- batches ----------------------------------------------------------------------------------------------------------

// The matrices of an array, which broadcast to a batch.
template <class T>
class Matrices {
 public:
  Matrices(const Array& a, const Dims& batch)
      : data_(a.data<T>()), row(a.strides()[a.rank() - 2]), col(a.strides()[a.rank() - 1]) {
    for (int i = 0; i < batch.size(); ++i) walk_.add(batch[i], {broadcast_step(a, batch, i, 2)});
  }
  const T* operator[](std::int64_t item) const { return data_ + walk_.at(item)[0]; }
  Group<T> group(std::int64_t first, std::int64_t count) const {
    Group<T> g{{}, row, col};
    Walk<1>::Cursor item(walk_, walk_.rank(), first);
    for (std::int64_t l = 0; l < count; ++l, item.next()) g.at[l] = data_ + item.offset();
    return g;
  }

 private:
  const T* data_;
  Walk<1> walk_;

 public:
  const std::int64_t row, col;
};

// A matrix to memory, by rows. What is stored by columns is its transpose.
template <class T>
void gather(std::int64_t rows, std::int64_t cols, const T* from, std::int64_t row, std::int64_t col, T* to) {
  constexpr std::int64_t tile = 16;
  for (std::int64_t i0 = 0; i0 < rows; i0 += tile)
    for (std::int64_t j0 = 0; j0 < cols; j0 += tile)
      for (std::int64_t i = i0; i < std::min(rows, i0 + tile); ++i)
        for (std::int64_t j = j0; j < std::min(cols, j0 + tile); ++j) to[i * cols + j] = from[i * row + j * col];
}

// Calls body(first, last) in parallel for runs of matrices that take so long each. A group of lanes is not divided.
template <class Body>
void for_matrices(std::int64_t count, double nanoseconds, const Body& body) {
  const double fit = std::min(kChunkNanoseconds / std::max(nanoseconds, 1.0), 1e9);
  const std::int64_t chunk =
      fit < 16 ? std::max<std::int64_t>(1, static_cast<std::int64_t>(fit)) : static_cast<std::int64_t>(fit) / 16 * 16;
  parallel_chunks(count, chunk, body);
}

// Calls body(first, count, work) for groups of small matrices.
template <class T, class Body>
void for_groups(std::int64_t count, double nanoseconds, const Body& body) {
  for_matrices(count, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<std::byte> work(kSmallWork);
    for (std::int64_t i = begin; i < end; i += kLanes<T>) body(i, std::min(kLanes<T>, end - i), work.data());
  });
}

inline double cube(std::int64_t n) { return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n); }
// Of that many multiplications, in large matrices and small ones.
inline double matrix_nanoseconds(double multiplications) { return 20 + multiplications / 8; }

// -- errors -----------------------------------------------------------------------------------------------------------

// The first matrix of a batch that something is wrong with, whichever thread finds one first.
class FirstFailure {
 public:
  void note(std::int64_t item, std::int64_t at) {
    const std::uint64_t found = static_cast<std::uint64_t>(item) << 31 | static_cast<std::uint64_t>(at);
    std::uint64_t first = first_.load();
    while (found < first && !first_.compare_exchange_weak(first, found)) {
    }
  }
  explicit operator bool() const { return first_.load() != kNone; }
  std::int64_t at() const { return static_cast<std::int64_t>(first_.load() & 0x7fffffff); }
  std::string where(const Dims& batch) const;  // " (matrix (3, 1) of the batch)", or nothing without a batch

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::atomic<std::uint64_t> first_{kNone};
};

// float or double.
template <class F>
void dispatch_matrix(DType t, F&& f) {
  if (t == DType::Float32)
    f(float{});
  else
    f(double{});
}

}  // namespace alice
