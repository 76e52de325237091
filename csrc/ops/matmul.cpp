// matmul: NumPy's semantics. One-dimensional operands are vectors, leading dimensions are batches and broadcast.
// vecmat: the same for operands of two dimensions and more, and each row of a is a vector of its own: its results have
// the bits of matmul with that vector.
#include <algorithm>
#include <memory>

#include "../core/broadcast.h"
#include "../core/chunks.h"
#include "../core/expansion.h"
#include "../core/in_place.h"
#include "blas.h"
#include "matmul_driver.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

using std::int64_t;

// The shape of one call. Which loop computes it (product, matrix-vector, dot) depends on these extents alone.
struct Shape {
  int64_t m = 1, n = 1, k = 0;
  Dims batch;            // of the result
  bool b_shared = true;  // every batch uses the same b, by its shape
  int64_t batches() const {
    int64_t count = 1;
    for (int64_t d : batch) count *= d;
    return count;
  }
};

Shape shape_of(const char* op, const Dims& a, const Dims& b) {
  Shape s;
  if (a.empty() || b.empty())
    fail(ErrorKind::Shape, op, ": a and b must have at least one dimension; got a ", a, ", b ", b,
         "; use * to multiply by a scalar");
  s.k = a.back();
  const int contracted = b.size() == 1 ? 0 : b.size() - 2;
  if (b[contracted] != s.k)
    fail(ErrorKind::Shape, op, ": a.shape[-1] must equal b.shape[", b.size() == 1 ? "-1" : "-2", "]; got a ", a, ", b ",
         b);
  if (a.size() > 1) s.m = a[a.size() - 2];
  if (b.size() > 1) s.n = b.back();
  const auto batch_of = [](const Dims& shape) {
    Dims batch;
    for (int i = 0; i + 2 < shape.size(); ++i) batch.push_back(shape[i]);
    return batch;
  };
  s.batch = batch_of(a);
  if (b.size() <= 2) return s;
  const Dims of_b = batch_of(b);
  if (!broadcast_into(s.batch, of_b))
    fail(ErrorKind::Shape, op, ": batch dimensions must be equal or 1; got a ", a, ", b ", b);
  s.b_shared = std::all_of(of_b.begin(), of_b.end(), [](int64_t d) { return d == 1; });
  return s;
}

Shape shape_of(const Call& call) { return shape_of(call.kernel.name, call.in[0].shape(), call.in[1].shape()); }

void infer_matmul(Call& call) {
  const Array &a = call.in[0], &b = call.in[1];
  const Shape s = shape_of(call);
  Dims out = s.batch;
  if (a.rank() > 1) out.push_back(s.m);
  if (b.rank() > 1) out.push_back(s.n);
  call.out[0] = Array::abstract(out, a.dtype());
}

void infer_vecmat(Call& call) {
  const Dims &a = call.in[0].shape(), &b = call.in[1].shape();
  if (a.size() < 2 || b.size() < 2)
    fail(ErrorKind::Shape, "vecmat: a and b must have at least two dimensions; got a ", a, ", b ", b,
         "; use matmul for one vector");
  infer_matmul(call);
}

// The batch dimensions of both operands.
using Batches = Walk<2>;
enum { kA, kB };
Batches batches_of(const Shape& s, const Array& a, const Array& b) {
  Batches batches;
  for (int i = 0; i < s.batch.size(); ++i)
    batches.add(s.batch[i], {broadcast_step(a, s.batch, i, std::min(a.rank(), 2)),
                             broadcast_step(b, s.batch, i, std::min(b.rank(), 2))});
  return batches;
}

template <class T>
Matrix<T> left(const Array& a) {
  const Dims& s = a.strides();
  return a.rank() == 1 ? Matrix<T>{nullptr, 0, s[0]} : Matrix<T>{nullptr, s[a.rank() - 2], s.back()};
}

template <class T>
Matrix<T> right(const Array& b) {
  const Dims& s = b.strides();
  return b.rank() == 1 ? Matrix<T>{nullptr, s[0], 0} : Matrix<T>{nullptr, s[b.rank() - 2], s.back()};
}

// Calls body(first, last) for runs of items, several to a chunk when one of them is little work; an item that
// fills a chunk of its own shares its work among the threads itself.
template <class Body>
void for_items(int64_t items, double chunks_per_item, Body&& body) {
  if (items <= 1 || chunks_per_item >= 1) {
    body(0, items);
    return;
  }
  const double fit = 1 / std::max(chunks_per_item, 1e-9);
  const int64_t per_chunk = fit < static_cast<double>(items) ? static_cast<int64_t>(fit) : items;
  parallel_for((items + per_chunk - 1) / per_chunk,
               [&](int64_t chunk) { body(chunk * per_chunk, std::min(items, (chunk + 1) * per_chunk)); });
}

// A call with floating operands: what its shapes and strides decide.
template <class T>
class Product {
 public:
  Product(const Products<T>& products, bool vecmat, const Shape& s, const Array& a, const Array& b)
      : products_(products), m_(s.m), n_(s.n), k_(s.k), a_(left<T>(a)), b_(right<T>(b)), batches_(batches_of(s, a, b)) {
    // With one b for all, the batch is only more rows: C's follow each other, and A's do where its strides say so.
    const bool more_rows = s.b_shared && batches_.rank() > 0, vector = m_ <= 1 && !more_rows;
    if (vecmat)
      kind_ = n_ > 1 ? Kind::Rows : Kind::Dot;
    else if (n_ > 1)
      kind_ = vector ? Kind::Row : Kind::Matrix;
    else
      kind_ = vector ? Kind::Dot : Kind::Column;
    if (vecmat && kind_ == Kind::Dot) {
      batches_.push(m_, {a_.row, 0});
      m_ = 1;
    }
    // A matrix in a batch keeps the bits that it has alone, even where they depend on how many rows there are.
    const bool merge = kind_ == Kind::Matrix ? m_ == 1 || products.rows_are_independent() : kind_ != Kind::Dot;
    upright_ = b.rank() > 1;
    while (merge && s.b_shared && batches_.rank() > 0) {
      const int last = batches_.rank() - 1;
      if (m_ != 1 && batches_.step(last, kA) != m_ * a_.row) break;
      if (m_ == 1) a_.row = batches_.step(last, kA);
      m_ *= batches_.extent(last);
      batches_.pop();
    }
    if (m_ == 0 || n_ == 0) items_ = 0;
    for (int i = 0; i < batches_.rank(); ++i) items_ *= batches_.extent(i);
    plan_ = products.plan(m_, kind_ == Kind::Matrix ? n_ : 0, k_, a_, b_);
    one_matrix_ = items_ == 1 && kind_ != Kind::Dot && (upright_ || a.rank() <= 2);
  }

  // How many sums each result is the sum of: the products are added to them in turn. 0: BLAS decides.
  int chains() const {
    if (plan_.path == GemmPlan<T>::Path::Blas) return 0;
    return kind_ == Kind::Matrix ? 1 : kind_ == Kind::Dot ? 4 * products_.width() : products_.width();
  }

  // The result is one matrix, or one row or column, and not a batch of them.
  bool one_matrix() const { return one_matrix_; }

  // C += A B; false, and nothing is done, where that is no one call of the driver.
  bool add(const T* a, const T* b, T* c) const {
    return one_matrix_ && kind_ == Kind::Matrix && products_.add_gemm(plan_, a, b, c);
  }

  void run(const T* a, const T* b, T* c, const Epilogue* then = nullptr) const {
    if (items_ == 1) {
      item(a, b, c, then);
      return;
    }
    const double multiplies = static_cast<double>(m_) * static_cast<double>(n_) * static_cast<double>(k_);
    const bool again = kind_ == Kind::Matrix || kind_ == Kind::Rows;  // elements are read more than once
    const double chunk = static_cast<double>(again ? kChunkMultiplies : kLightChunkItems);
    for_items(items_, multiplies / chunk, [&](int64_t first, int64_t last) {
      // Runs of items at equal steps go down in one call.
      const bool even = batches_.rank() == 1;
      const int64_t a_step = even ? batches_.step(0, kA) : 0, b_step = even ? batches_.step(0, kB) : 0;
      const int64_t run = even ? last - first : 1;
      for (int64_t i = first; i < last; i += run) {
        const auto [a_at, b_at] = batches_.at(i);
        T* ci = c + i * m_ * n_;
        if (kind_ == Kind::Matrix) {
          products_.gemm_batch(plan_, run, a + a_at, a_step, b + b_at, b_step, ci);
          continue;
        }
        for (int64_t r = 0; r < run; ++r) item(a + a_at + r * a_step, b + b_at + r * b_step, ci + r * m_ * n_, nullptr);
      }
    });
  }

 private:
  enum class Kind : std::uint8_t { Matrix, Row, Column, Dot, Rows };  // of each result

  void item(const T* a, const T* b, T* c, const Epilogue* then) const {
    switch (kind_) {
      case Kind::Matrix: return products_.gemm(plan_, a, b, c, then);
      case Kind::Row: return products_.gemv(n_, k_, b_.at(b).transposed(), a, a_.col, c, then, false);
      case Kind::Column: return products_.gemv(m_, k_, a_.at(a), b, b_.row, c, then, upright_);
      case Kind::Dot: return products_.dot(k_, a, a_.col, b, b_.row, c);
      case Kind::Rows: return products_.vecmat(m_, n_, k_, a_.at(a), b_.at(b), c, then);
    }
  }

  const Products<T>& products_;
  int64_t m_, n_, k_;
  Matrix<T> a_, b_;  // the strides
  Batches batches_;
  int64_t items_ = 1;
  Kind kind_;
  bool upright_;  // a column's elements are rows, as in a result with a last axis of extent 1
  bool one_matrix_;
  GemmPlan<T> plan_;
};

template <class T>
class PreparedProduct : public Prepared {
 public:
  PreparedProduct(const Products<T>& products, bool vecmat, const Shape& s, const Array& a, const Array& b)
      : product_(products, vecmat, s, a, b) {}

  void run(const Call& call) const override { multiply(call, nullptr); }
  bool takes_epilogue() const override { return product_.one_matrix(); }
  void run_then(const Call& call, const Epilogue& epilogue) const override { multiply(call, &epilogue); }

 private:
  void multiply(const Call& call, const Epilogue* then) const {
    product_.run(call.in[0].data<T>(), call.in[1].data<T>(), call.out[0].data<T>(), then);
  }

  Product<T> product_;
};

template <class T>
void multiply(IntegerGemm<T> gemm, const Shape& s, const Array& a_in, const Array& b_in, T* c) {
  const Matrix<T> a = left<T>(a_in).at(a_in.data<T>()), b = right<T>(b_in).at(b_in.data<T>());
  const Batches batches = batches_of(s, a_in, b_in);
  const double row_work = static_cast<double>(s.n) * static_cast<double>(s.k);
  for_items(s.batches() * s.m, row_work / static_cast<double>(kLightChunkItems), [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const auto [a_at, b_at] = batches.at(row / s.m);
      gemm(1, s.n, s.k, a.data + a_at + row % s.m * a.row, a.row, a.col, b.data + b_at, b.row, b.col, c + row * s.n);
    }
  });
}

struct Level {
  Products<float> f32;
  Products<double> f64;
  const MatmulTable& table;
  bool vecmat;
};

const Level& level_of(const Call& call) { return *static_cast<const Level*>(call.kernel.impl); }

template <class T>
void multiply(const Products<T>& products, bool vecmat, const Shape& s, const Array& a, const Array& b, T* c) {
  Product<T>(products, vecmat, s, a, b).run(a.data<T>(), b.data<T>(), c);
}

void run_matmul(const Call& call) {
  const Array &a = call.in[0], &b = call.in[1], &out = call.out[0];
  if (out.numel() == 0) return;
  const Shape s = shape_of(call);
  const Level& level = level_of(call);
  switch (a.dtype()) {
    case DType::Float32: return multiply(level.f32, level.vecmat, s, a, b, out.data<float>());
    case DType::Float64: return multiply(level.f64, level.vecmat, s, a, b, out.data<double>());
    case DType::UInt8: return multiply(level.table.u8, s, a, b, out.data<std::uint8_t>());
    case DType::Int32: return multiply(level.table.i32, s, a, b, out.data<std::int32_t>());
    default: return multiply(level.table.i64, s, a, b, out.data<std::int64_t>());
  }
}

// matmul_add: c + a b for a c of the result's shape, with the bits of the two.
void infer_matmul_add(Call& call) {
  Call product{call.kernel, call.in.subspan(1), call.out, call.attrs};
  infer_matmul(product);
  const Array& c = call.in[0];
  if (!(c.shape() == call.out[0].shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": c must have the shape of a @ b; got c ", c.shape(), ", a @ b ",
         call.out[0].shape());
  if (!is_floating(c.dtype()) || c.dtype() != call.in[1].dtype() || c.dtype() != call.in[2].dtype())
    fail(ErrorKind::DType, call.kernel.name, ": c, a and b must have one floating dtype; got ", name(c.dtype()), ", ",
         name(call.in[1].dtype()), " and ", name(call.in[2].dtype()));
}

template <class T>
void add_product(const Products<T>& products, const Shape& s, const Array& a, const Array& b, const Array& c) {
  const Product<T> product(products, false, s, a, b);
  T* to = c.data<T>();
  if (product.add(a.data<T>(), b.data<T>(), to)) return;
  const Array whole = Array::empty(c.shape(), c.dtype());
  const T* from = whole.data<T>();
  product.run(a.data<T>(), b.data<T>(), whole.data<T>());
  parallel_chunks(c.numel(), kLightChunkItems, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] += from[i];
  });
}

void run_matmul_add(const Call& call) {
  const Array &c = call.in[0], &a = call.in[1], &b = call.in[2], &out = call.out[0];
  if (out.numel() == 0) return;
  if (!same_layout(c, out)) strided_copy(out, c);
  const Shape s = shape_of(call.kernel.name, a.shape(), b.shape());
  const Level& level = level_of(call);
  if (out.dtype() == DType::Float32)
    add_product(level.f32, s, a, b, out);
  else
    add_product(level.f64, s, a, b, out);
}

// Integer products: there is little to prepare beside the work.
class Unprepared : public Prepared {
 public:
  void run(const Call& call) const override { run_matmul(call); }
};

std::unique_ptr<Prepared> prepare_matmul(const Call& call) {
  const Array &a = call.in[0], &b = call.in[1];
  const Shape s = shape_of(call);
  const Level& level = level_of(call);
  if (a.dtype() == DType::Float32) return std::make_unique<PreparedProduct<float>>(level.f32, level.vecmat, s, a, b);
  if (a.dtype() == DType::Float64) return std::make_unique<PreparedProduct<double>>(level.f64, level.vecmat, s, a, b);
  return std::make_unique<Unprepared>();
}

// The axes of the results, and k. See matmul_loops.h for the order of the sums.
class ExpandedProduct final : public Expansion {
 public:
  ExpandedProduct(const Call& call, const Shape& s, int chains, int width)
      : k_(s.k), chains_(chains), rest_(chains > 1 && (k_ < chains || k_ % width != 0)) {
    const Dims &a = call.in[0].shape(), &b = call.in[1].shape();
    shape = call.out[0].shape();
    const int k = shape.size(), batch = s.batch.size();
    shape.push_back(k_);
    axes.resize(2);
    for (int i = 0; i + 2 < a.size(); ++i) axes[0].push_back(batch - (a.size() - 2) + i);
    if (a.size() > 1) axes[0].push_back(batch);
    axes[0].push_back(k);
    for (int i = 0; i + 2 < b.size(); ++i) axes[1].push_back(batch - (b.size() - 2) + i);
    axes[1].push_back(k);
    if (b.size() > 1) axes[1].push_back(k - 1);
    operations = static_cast<double>(chains > 1 ? 2 * k_ : k_);
  }

  std::int32_t result(const std::int32_t* const* items, Operations& to) const override {
    const std::int32_t zero = to.zero();
    std::vector<std::int32_t> sums(static_cast<std::size_t>(std::min<int64_t>(chains_, k_)), zero);
    for (std::int64_t p = 0; p < k_; ++p) {
      std::int32_t& sum = sums[static_cast<std::size_t>(p % chains_)];
      sum = to.operate(Arithmetic::MultiplyAdd, items[kA][p], items[kB][p], sum);
    }
    for (std::size_t half = static_cast<std::size_t>(chains_) / 2; half > 0; half /= 2)
      for (std::size_t i = half; i < std::min(2 * half, sums.size()); ++i)
        sums[i - half] = to.operate(Arithmetic::Add, sums[i - half], sums[i]);
    if (sums.empty()) return zero;
    // Lanes beyond the last product add zeros, of which one is enough: they turn -0 into 0.
    return rest_ ? to.operate(Arithmetic::Add, sums[0], zero) : sums[0];
  }

 private:
  int64_t k_, chains_;
  bool rest_;
};

template <class T>
std::unique_ptr<Expansion> expand(const Products<T>& products, bool vecmat, const Shape& s, const Call& call) {
  const int chains = Product<T>(products, vecmat, s, call.in[0], call.in[1]).chains();
  if (chains == 0) return nullptr;
  return std::make_unique<ExpandedProduct>(call, s, chains, products.width());
}

constexpr int64_t kExpanded = 64;  // factor pairs of a result: no more than a chain is long

std::unique_ptr<Expansion> expand_matmul(const Call& call) {
  const Shape s = shape_of(call);
  const DType dtype = call.in[0].dtype();
  if (s.k > kExpanded || call.out[0].rank() == kMaxRank || dtype != call.in[1].dtype() ||
      (dtype != DType::Float32 && dtype != DType::Float64))
    return nullptr;
  const Level& level = level_of(call);
  return dtype == DType::Float32 ? expand(level.f32, level.vecmat, s, call) : expand(level.f64, level.vecmat, s, call);
}

double flops(const Call& call) {  // a multiplication and an addition for each factor pair of each result
  return 2.0 * static_cast<double>(call.out[0].numel()) * static_cast<double>(call.in[0].shape().back());
}

// Beside its arithmetic, nanoseconds, measured: of each product of a batch, by what its result is.
constexpr double kMatrixCost = 5, kVectorCost = 30, kDotCost = 12;

double cost(const Call& call) {
  const DType t = arithmetic(call.in[0].dtype());
  const Shape s = shape_of(call);
  const double each = s.m > 1 && s.n > 1 ? kMatrixCost : s.m > 1 || s.n > 1 ? kVectorCost : kDotCost;
  return flops(call) / (t == DType::Float32   ? 100
                        : t == DType::Float64 ? 50
                                              : 4) +
         each * (s.b_shared ? 1 : static_cast<double>(s.batches()));
}

}  // namespace

void register_matmul(Registry& registry) {
  blas::initialize();
  static const MatmulTable& table = matmul_table();
  const bool use_blas = current_isa() == Isa::Baseline;
  static const Level matmul{{table.f32, use_blas}, {table.f64, use_blas}, table, false};
  static const Level vecmat{{table.f32, use_blas}, {table.f64, use_blas}, table, true};
  const auto add = [&](const char* name, void (*infer)(Call&), const Level& level) {
    registry.add({.name = name,
                  .n_in = 2,
                  .inputs = Inputs::Numeric,
                  .infer = infer,
                  .run = {run_matmul},
                  .cost = cost,
                  .impl = &level,
                  .prepare = prepare_matmul,
                  .expand = expand_matmul,
                  .flops = flops});
  };
  add("matmul", infer_matmul, matmul);
  add("vecmat", infer_vecmat, vecmat);
  registry.add(
      {.name = "matmul_add",
       .n_in = 3,
       .inputs = Inputs::Floating,
       .infer = infer_matmul_add,
       .run = {run_matmul_add},
       .cost = [](const Call& call) { return cost({call.kernel, call.in.subspan(1), call.out, call.attrs}); },
       .impl = &matmul,
       .flops = [](const Call& call) { return flops({call.kernel, call.in.subspan(1), call.out, call.attrs}); },
       .overwriting = 0});
}

}  // namespace alice
