// attention: softmax(scale · q kᵀ + mask) v over the last two axes, and its adjoint. Scores are made block by block,
// and again in the adjoint: no matrix of queries by keys is ever held. What the forward pass keeps of each query is the
// maximum of its scores and the sum of exponentials below it: a saved value, no result.
//
// Sources: Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022.
// Small: products of matrices and loops elsewhere do the work.
#include <algorithm>
#include <cstring>
#include <limits>

#include "../core/broadcast.h"
#include "../core/chunks.h"
#include "../core/scratch.h"
#include "attention_loops.h"
#include "matmul_driver.h"
#include "prepared.h"
#include "register.h"

namespace alice {
namespace {

using std::int64_t;

constexpr int64_t kKeys = 112;  // of a block of scores, which stays in L1; so few that products do not pack them
constexpr int64_t kStats = 2;

struct Level {
  Products<float> f32;
  Products<double> f64;
  const AttentionLoops &loops32, &loops64;
};

template <class T>
const Products<T>& products_of(const Level& level) {
  if constexpr (sizeof(T) == 4)
    return level.f32;
  else
    return level.f64;
}
template <class T>
const AttentionLoops& loops_of(const Level& level) {
  return sizeof(T) == 4 ? level.loops32 : level.loops64;
}

// ---- shapes ---------------------------------------------------------------------------------------------------

Dims with_last(const Array& a, int64_t last, int dropped = 1) {
  Dims shape = a.shape();
  for (int i = 0; i < dropped; ++i) shape.pop_back();
  shape.push_back(last);
  return shape;
}

bool same_front(const Array& a, const Array& b) {
  if (a.rank() != b.rank()) return false;
  for (int i = 0; i + 2 < a.rank(); ++i)
    if (a.dim(i) != b.dim(i)) return false;
  return true;
}

// Operands q, k, v and perhaps mask, from `first` on.
void check_operands(const Call& call, std::size_t first, bool masked) {
  const char* op = call.kernel.name;
  const Array &q = call.in[first], &k = call.in[first + 1], &v = call.in[first + 2];
  if (q.rank() < 2) fail(ErrorKind::Shape, op, ": query must have shape (…, L, E); got ", q.shape());
  const int last = q.rank() - 1;
  if (!same_front(q, k) || !same_front(q, v) || k.dim(last) != q.dim(last) || v.dim(last - 1) != k.dim(last - 1))
    fail(ErrorKind::Shape, op, ": query, key and value must have shapes (…, L, E), (…, S, E) and (…, S, V); got ",
         q.shape(), ", ", k.shape(), ", ", v.shape());
  for (std::size_t i = first; i < first + 3; ++i)
    if (!is_floating(call.in[i].dtype()) || call.in[i].dtype() != q.dtype())
      fail(ErrorKind::DType, op, ": query, key and value must have one floating dtype; got ", name(q.dtype()), ", ",
           name(k.dtype()), ", ", name(v.dtype()));
  if (!masked) return;
  const Array& mask = call.in[first + 3];
  if (!(mask.shape() == with_last(q, k.dim(last - 1))))
    fail(ErrorKind::Shape, op, ": mask must have the shape of the scores ", with_last(q, k.dim(last - 1)), "; got ",
         mask.shape());
  if (mask.dtype() != DType::Bool && mask.dtype() != q.dtype())
    fail(ErrorKind::DType, op, ": mask must be bool, or numbers of the dtype of query, ", name(q.dtype()), "; got ",
         name(mask.dtype()));
}

void check_count(const Call& call, std::size_t least) {
  if (call.in.size() != least && call.in.size() != least + 1)
    fail(ErrorKind::Value, call.kernel.name, ": takes ", least, " arrays, or ", least + 1, " with a mask; got ",
         call.in.size());
}

// Inputs q, k, v and perhaps mask; outputs y, stats.
void infer_forward(Call& call) {
  check_count(call, 3);
  check_operands(call, 0, call.in.size() == 4);
  const Array& q = call.in[0];
  call.out[0] = Array::abstract(with_last(q, call.in[2].shape().back()), q.dtype());
  call.out[1] = Array::abstract(with_last(q, kStats), q.dtype());
}

// Inputs g, y, stats, q, k, v and perhaps mask; outputs the gradients of q, k and v.
void infer_backward(Call& call) {
  check_count(call, 6);
  check_operands(call, 3, call.in.size() == 7);
  const char* op = call.kernel.name;
  const Array &q = call.in[3], &v = call.in[5];
  const Dims result = with_last(q, v.shape().back());
  if (!(call.in[0].shape() == result) || !(call.in[1].shape() == result) ||
      !(call.in[2].shape() == with_last(q, kStats)))
    fail(ErrorKind::Shape, op, ": g, y and stats must be those of a result of shape ", result, "; got ",
         call.in[0].shape(), ", ", call.in[1].shape(), ", ", call.in[2].shape());
  for (std::size_t i = 0; i < 3; ++i)
    if (call.in[i].dtype() != q.dtype())
      fail(ErrorKind::DType, op, ": g, y and stats must have the dtype of query, ", name(q.dtype()), "; got ",
           name(call.in[i].dtype()));
  for (std::size_t i = 0; i < 3; ++i) call.out[i] = call.in[3 + i].shape_only();
}

// ---- the work -------------------------------------------------------------------------------------------------

// The last two axes of an operand.
template <class T>
Matrix<T> matrix(const Array& a) {
  const int last = a.rank() - 1;
  return {nullptr, a.strides()[last - 1], a.strides()[last]};
}

enum { kQ, kK, kV, kG, kMask, kOperands };

// What both directions decide before they see data. Operands are read where they lie, through any strides.
template <class T>
struct Plan {
  Plan(const Level& level, const Call& call, std::size_t first, bool masked)
      : products(products_of<T>(level)),
        loops(loops_of<T>(level)),
        q(matrix<T>(call.in[first])),
        k(matrix<T>(call.in[first + 1])),
        v(matrix<T>(call.in[first + 2])),
        g(matrix<T>(call.in[0])),
        causal(call.attrs[0].flag()),
        scale(call.attrs[1].real()) {
    const Array &qs = call.in[first], &vs = call.in[first + 2];
    const int last = qs.rank() - 1;
    queries = qs.dim(last - 1), width = qs.dim(last);
    keys = vs.dim(last - 1), values = vs.dim(last);
    if (masked) {
      mask = first + 3;
      const Array& numbers = call.in[mask];
      mask_item = static_cast<int64_t>(itemsize(numbers.dtype()));
      mask_row = numbers.strides()[last - 1], mask_col = numbers.strides()[last];
    }
    for (int i = 0; i + 2 < qs.rank(); ++i) {
      const auto step = [&](std::size_t operand) { return call.in[operand].strides()[i]; };
      items.push(qs.dim(i), {step(first), step(first + 1), step(first + 2), step(0), masked ? step(first + 3) : 0});
    }
  }

  int64_t blocks() const { return (queries + kQueries - 1) / kQueries; }

  // Calls body(first key, keys) for the blocks of keys that the queries from `query` on may see.
  template <class Body>
  void for_keys(int64_t query, int64_t rows, const Body& body) const {
    const int64_t end = causal ? std::min(keys, query + rows) : keys;
    for (int64_t key = 0; key < end; key += kKeys) body(key, std::min(kKeys, end - key));
  }

  // Items that the masks of a block need.
  int64_t mask_room() const { return mask ? 2 * kQueries * std::min(kKeys, keys) : 0; }
  const std::byte* mask_of(const Call& call, int64_t offset) const {
    return mask ? call.in[mask].bytes() + offset * mask_item : nullptr;
  }
  AttentionBlock block(int64_t query, int64_t rows, int64_t key, int64_t n, const std::byte* from, T* room) const {
    const int64_t limit = causal ? query + 1 - key : n;
    if (!from) return {rows, n, scale, limit, nullptr};
    from += (query * mask_row + key * mask_col) * mask_item;
    Matrix<T> numbers{reinterpret_cast<const T*>(from), mask_row, mask_col};
    if (mask_item == 1) {
      T* rows_of = room + kQueries * n;
      for (int64_t i = 0; i < rows; ++i)
        loops.numbers(n, reinterpret_cast<const std::uint8_t*>(from) + i * mask_row, mask_col, rows_of + i * n);
      numbers = {rows_of, n, 1};
    }
    turn(rows, n, numbers, room);
    return {rows, n, scale, limit, room};
  }

  // Rows of x, one for each query of a block, as lanes.
  void turn(int64_t rows, int64_t n, Matrix<T> x, T* out) const {
    if (rows < kQueries) std::fill_n(out, n * kQueries, T(0));
    products.turn(rows, n, x, out, kQueries);
  }

  // C = A B, or C += A B with the help of `part`, which has room for C.
  void multiply(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, T* part = nullptr) const {
    const GemmPlan<T> plan = products.plan(m, n, k, a, b);
    if (part && products.add_gemm(plan, a.data, b.data, c)) return;
    products.gemm(plan, a.data, b.data, part ? part : c, nullptr);
    if (part) loops.add(m * n, part, c);
  }

  const Products<T>& products;
  const AttentionLoops& loops;
  Matrix<T> q, k, v, g;
  bool causal;
  double scale;
  int64_t queries, keys, width, values;  // L, S, E, V
  std::size_t mask = 0;                  // the operand; 0: none
  int64_t mask_row = 0, mask_col = 0, mask_item = 0;
  Walk<kOperands> items;
};

template <class T>
class Forward final : public Prepared {
 public:
  Forward(const Level& level, const Call& call) : p_(level, call, 0, call.in.size() == 4) {}

  void run(const Call& call) const override {
    if (call.out[1].numel() == 0) return;
    const int64_t blocks = p_.blocks(), count = p_.items.size() * blocks;
    const double work = 2.0 * static_cast<double>(std::min<int64_t>(kQueries, p_.queries)) *
                        static_cast<double>(p_.keys) * static_cast<double>(p_.width + p_.values + 16);
    const int64_t together =
        std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(kChunkMultiplies) / std::max(work, 1.0)));
    parallel_chunks(count, together, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) some(call, i / blocks, i % blocks * kQueries);
    });
  }

 private:
  // The queries of one item from `query` on.
  void some(const Call& call, int64_t item, int64_t query) const {
    const auto at = p_.items.at(item);
    const int64_t rows = std::min<int64_t>(kQueries, p_.queries - query), E = p_.width, V = p_.values;
    const T *q = call.in[0].data<T>() + at[kQ] + query * p_.q.row, *k = call.in[1].data<T>() + at[kK],
            *v = call.in[2].data<T>() + at[kV];
    const std::byte* mask = p_.mask_of(call, at[kMask]);
    const int64_t row = item * p_.queries + query;
    T *y = call.out[0].data<T>() + row * V, *stats = call.out[1].data<T>() + row * kStats;
    const Scratch<T> scores(kQueries * std::min(kKeys, p_.keys)), part(p_.keys > kKeys ? rows * V : 0),
        q_turned(kQueries * E), room(p_.mask_room());
    T max[kQueries], shrink[kQueries];
    double sum[kQueries] = {};
    std::fill_n(max, kQueries, -std::numeric_limits<T>::infinity());
    p_.turn(rows, E, p_.q.at(q), q_turned.data());
    p_.for_keys(query, rows, [&](int64_t key, int64_t n) {
      p_.multiply(n, kQueries, E, p_.k.at(k + key * p_.k.row), {q_turned.data(), kQueries, 1}, scores.data());
      p_.loops.weigh(p_.block(query, rows, key, n, mask, room.data()), scores.data(), max, sum, shrink);
      p_.multiply(rows, V, n, {scores.data(), 1, kQueries}, p_.v.at(v + key * p_.v.row), key == 0 ? y : part.data());
      if (key > 0) p_.loops.gather(rows, V, part.data(), shrink, y);
    });
    p_.loops.finish(rows, V, max, sum, y, stats);
  }

  Plan<T> p_;
};

template <class T>
class Backward final : public Prepared {
 public:
  Backward(const Level& level, const Call& call)
      : p_(level, call, 3, call.in.size() == 7), y_(call.in[1]), stats_(call.in[2]) {}

  void run(const Call& call) const override {
    Array copies[2];
    const T *y = y_.of(call.in[1], copies[0]).template data<T>(),
            *stats = stats_.of(call.in[2], copies[1]).template data<T>();
    const double work = 5.0 * static_cast<double>(p_.queries) * static_cast<double>(p_.keys) *
                        static_cast<double>(p_.width + p_.values + 16);
    const int64_t count = p_.items.size();
    const int64_t together =
        std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(kChunkMultiplies) / std::max(work, 1.0)), 1,
                            std::max<int64_t>(1, count));
    parallel_chunks(count, together, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) one(call, i, y, stats);
    });
  }

 private:
  void one(const Call& call, int64_t item, const T* y, const T* stats) const {
    const int64_t L = p_.queries, S = p_.keys, E = p_.width, V = p_.values;
    const auto at = p_.items.at(item);
    const T *g = call.in[0].data<T>() + at[kG], *q = call.in[3].data<T>() + at[kQ], *k = call.in[4].data<T>() + at[kK],
            *v = call.in[5].data<T>() + at[kV];
    const std::byte* mask = p_.mask_of(call, at[kMask]);
    y += item * L * V, stats += item * L * kStats;
    T *dq = call.out[0].data<T>() + item * L * E, *dk = call.out[1].data<T>() + item * S * E,
      *dv = call.out[2].data<T>() + item * S * V;
    const int64_t wide = std::min(kKeys, S);
    const Scratch<T> weights(kQueries * wide), slopes(kQueries * wide),
        part(std::max<int64_t>(kQueries, wide) * std::max(E, V)), q_turned(kQueries * E), g_turned(kQueries * V),
        y_turned(kQueries * V), room(p_.mask_room());
    T dots[kQueries];
    int64_t met = 0;                      // keys
    const auto meet = [&](int64_t end) {  // zeros for those that come to it
      if (end <= met) return;
      std::memset(dk + met * E, 0, static_cast<std::size_t>((end - met) * E) * sizeof(T));
      std::memset(dv + met * V, 0, static_cast<std::size_t>((end - met) * V) * sizeof(T));
      met = end;
    };
    for (int64_t query = 0; query < L; query += kQueries) {
      const int64_t rows = std::min<int64_t>(kQueries, L - query);
      const Matrix<T> q_rows = p_.q.at(q + query * p_.q.row), g_rows = p_.g.at(g + query * p_.g.row);
      p_.turn(rows, E, q_rows, q_turned.data());
      p_.turn(rows, V, g_rows, g_turned.data());
      p_.turn(rows, V, {y + query * V, V, 1}, y_turned.data());
      p_.loops.dots(V, g_turned.data(), y_turned.data(), dots);
      p_.for_keys(query, rows, [&](int64_t key, int64_t n) {
        const Matrix<T> k_rows = p_.k.at(k + key * p_.k.row), v_rows = p_.v.at(v + key * p_.v.row);
        p_.multiply(n, kQueries, E, k_rows, {q_turned.data(), kQueries, 1}, weights.data());
        p_.loops.weights(p_.block(query, rows, key, n, mask, room.data()), stats + query * kStats, weights.data());
        p_.multiply(n, kQueries, V, v_rows, {g_turned.data(), kQueries, 1}, slopes.data());
        p_.loops.slopes(n, p_.scale, weights.data(), dots, slopes.data());
        const bool is_first = key >= met;
        if (is_first)
          met = key + n;
        else
          meet(key + n);
        const Matrix<T> by_key{weights.data(), kQueries, 1}, slopes_by_key = by_key.at(slopes.data());
        p_.multiply(n, V, rows, by_key, g_rows, dv + key * V, is_first ? nullptr : part.data());
        p_.multiply(rows, E, n, slopes_by_key.transposed(), k_rows, dq + query * E, key == 0 ? nullptr : part.data());
        p_.multiply(n, E, rows, slopes_by_key, q_rows, dk + key * E, is_first ? nullptr : part.data());
      });
    }
    meet(S);
    if (S == 0) std::memset(dq, 0, static_cast<std::size_t>(L * E) * sizeof(T));
  }

  Plan<T> p_;
  RowMajor y_, stats_;
};

template <template <class> class Work>
std::unique_ptr<Prepared> prepare(const Call& call) {
  const Level& level = *static_cast<const Level*>(call.kernel.impl);
  if (call.in[0].dtype() == DType::Float64) return std::make_unique<Work<double>>(level, call);
  return std::make_unique<Work<float>>(level, call);
}

template <template <class> class Work>
void run(const Call& call) {
  prepare<Work>(call)->run(call);
}

// Products of all queries with all keys.
double flops(const Call& call, std::size_t first, double products) {
  const Array &q = call.in[first], &v = call.in[first + 2];
  const int last = q.rank() - 1;
  return products * static_cast<double>(q.numel()) * static_cast<double>(v.dim(last - 1));
}
double forward_flops(const Call& call) { return flops(call, 0, 4); }
double backward_flops(const Call& call) { return flops(call, 3, 10); }
double forward_cost(const Call& call) { return forward_flops(call) / 25; }
double backward_cost(const Call& call) { return backward_flops(call) / 25; }

// Results are as the operands that they belong to; what is kept of each query stays as precise as it is.
int like_forward(const Call&, int result) { return result == 1 ? -1 : 0; }
int like_backward(const Call&, int result) { return 3 + result; }

}  // namespace

void register_attention(Registry& registry) {
  const MatmulTable& table = matmul_table();
  static const Level level{
      {table.f32, false}, {table.f64, false}, attention_loops(DType::Float32), attention_loops(DType::Float64)};
  const std::vector<AttrSpec> attributes = {{"is_causal", AttrKind::Flag}, {"scale", AttrKind::Real}};
  registry.add({.name = "attention",
                .n_in = -1,
                .n_out = 2,
                .attributes = attributes,
                .infer = infer_forward,
                .run = {run<Forward>},
                .cost = forward_cost,
                .impl = &level,
                .prepare = prepare<Forward>,
                .flops = forward_flops,
                .like = like_forward});
  registry.add({.name = "attention_vjp",
                .n_in = -1,
                .n_out = 3,
                .attributes = attributes,
                .infer = infer_backward,
                .run = {run<Backward>},
                .cost = backward_cost,
                .impl = &level,
                .prepare = prepare<Backward>,
                .flops = backward_flops,
                .like = like_backward});
}

}  // namespace alice
