// Where values belong among sorted ones. Values are divided among threads.
#include <algorithm>

#include "../core/chunks.h"
#include "elementwise_loops.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

// searchsorted: inputs a of shape (batch, N), sorted along its last axis, and v of shape (batch, …); attr right.
void searchsorted_infer(Call& call) {
  const Array &a = call.in[0], &v = call.in[1];
  bool fits = a.rank() > 0 && v.rank() >= a.rank() - 1;
  for (int axis = 0; fits && axis < a.rank() - 1; ++axis) fits = a.dim(axis) == v.dim(axis);
  if (!fits)
    fail(ErrorKind::Shape, "searchsorted: a must have one axis, or v all but the last axis of a in front; got a ",
         a.shape(), ", v ", v.shape());
  call.out[0] = Array::abstract(v.shape(), DType::Int64);
}

// Which of n items is the first one that is not before a value: less, or (right) not greater. By the halves that NumPy
// takes: what is not sorted gives the same.
template <bool kRight, class T>
std::int64_t place_of(std::int64_t n, const T* a, T value) {
  const bool nan = value != value;  // it comes after all numbers, and compares with none
  std::int64_t first = 0;
  for (std::int64_t half; n > 0;) {
    half = n / 2;
    const T item = a[first + half];
    const bool before = nan ? kRight || item == item : kRight ? item <= value : item < value;
    first = before ? first + half + 1 : first;
    n = before ? n - half - 1 : half;
  }
  return first;
}

template <class T>
bool is_sorted(std::int64_t n, const T* a) {
  bool sorted = true;
  for (std::int64_t i = 1; i < n; ++i) sorted &= (a[i - 1] <= a[i]) | (a[i] != a[i]);
  return sorted;
}

// The same of several values side by side, as each step of one waits for the step before. For sorted items, n > 0.
template <bool kRight, class T>
void places_together(std::int64_t n, const T* a, std::int64_t m, const T* values, std::int64_t* places) {
  constexpr std::int64_t kTogether = 16;
  const auto before = [](T item, T value) { return kRight ? item <= value : item < value; };
  for (std::int64_t i = 0; i < m; i += kTogether) {
    const std::int64_t count = std::min(kTogether, m - i);
    T value[kTogether] = {};
    std::int64_t first[kTogether] = {};
    std::copy_n(values + i, count, value);
    for (std::int64_t left = n, half; left > 1; left -= half) {
      half = left / 2;
      for (int j = 0; j < kTogether; ++j) first[j] += before(a[first[j] + half - 1], value[j]) ? half : 0;
    }
    for (int j = 0; j < count; ++j) {
      places[i + j] = first[j] + before(a[first[j]], value[j]);
      if (value[j] != value[j]) places[i + j] = place_of<kRight>(n, a, value[j]);
    }
  }
}

void searchsorted_run(const Call& call) {
  const Array a = as_contiguous(call.in[0]), v = as_contiguous(call.in[1]);
  const bool right = call.attrs[0].flag();
  const std::int64_t n = a.shape().back(), wanted = v.numel();
  if (wanted == 0) return;
  std::int64_t batches = 1;
  for (int axis = 0; axis < a.rank() - 1; ++axis) batches *= a.dim(axis);
  const std::int64_t each = wanted / batches;
  dispatch(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    bool together = n > 0 && a.numel() / 16 <= wanted;  // or it takes too long to look whether they are sorted
    for (std::int64_t batch = 0; together && batch < batches; ++batch) together = is_sorted(n, a.data<T>() + batch * n);
    parallel_chunks(wanted, kChunkItems / 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t next; begin < end; begin = next) {
        const T *items = a.data<T>() + begin / each * n, *values = v.data<T>();
        auto* out = call.out[0].data<std::int64_t>();
        next = std::min(end, (begin / each + 1) * each);
        if (together)
          (right ? places_together<true, T> : places_together<false, T>)(n, items, next - begin, values + begin,
                                                                         out + begin);
        else
          for (std::int64_t i = begin; i < next; ++i)
            out[i] = right ? place_of<true>(n, items, values[i]) : place_of<false>(n, items, values[i]);
      }
    });
  });
}

double search_cost(const Call& call) { return 20.0 * static_cast<double>(call.in[1].numel()); }

}  // namespace

void register_searchsorted(Registry& registry) {
  registry.add({.name = "searchsorted",
                .n_in = 2,
                .attributes = {{"right", AttrKind::Flag}},
                .inputs = Inputs::Promote,
                .infer = searchsorted_infer,
                .run = {searchsorted_run},
                .cost = search_cost,
                .infers_any_dtype = true,
                .orders = true});
}

}  // namespace alice
