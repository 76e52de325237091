// sort and argsort along an axis, and searchsorted: the order of items as that of unsigned integers, their keys.
//
// NaN has the highest key. -0 and 0 have one and stay in their order, as all equal items do (argsort); where the items
// themselves are sorted, -0 comes before 0, as nobody can tell equal ones apart otherwise. So what comes out is one
// thing, whatever the algorithm. Long lines are sorted digit by digit, short ones by comparison. Lines are divided
// among threads. Hot: every item runs through here.
#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "../core/chunks.h"
#include "../core/scratch.h"
#include "axes.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

template <class T>
using Key = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

template <class K>
constexpr K kTop = K(1) << (8 * sizeof(K) - 1);

template <class T>
Key<T> key_by_bits(T x) {
  using K = Key<T>;
  if constexpr (std::is_floating_point_v<T>) {
    if (x != x) return ~K(0);
    const K bits = std::bit_cast<K>(x);
    return bits & kTop<K> ? ~bits : bits | kTop<K>;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<K>(x) ^ kTop<K>;
  } else {
    return static_cast<K>(x);
  }
}

template <class T>
Key<T> key_of(T x) {
  if constexpr (std::is_floating_point_v<T>) x += T(0);  // -0 + 0 is 0
  return key_by_bits(x);
}

template <class T>
T item_of(Key<T> key) {  // of key_by_bits
  using K = Key<T>;
  if constexpr (std::is_floating_point_v<T>) {
    if (key == ~K(0)) return std::numeric_limits<T>::quiet_NaN();
    return std::bit_cast<T>(key & kTop<K> ? key ^ kTop<K> : ~key);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(key ^ kTop<K>);
  } else {
    return static_cast<T>(key);
  }
}

// A key, and which item it is of.
template <class K>
struct Placed {
  K key;
  K place;
  bool operator<(const Placed& other) const { return key < other.key || (key == other.key && place < other.place); }
};

std::uint32_t key(std::uint32_t item) { return item; }
std::uint64_t key(std::uint64_t item) { return item; }
template <class K>
K key(const Placed<K>& item) {
  return item.key;
}

constexpr std::int64_t kShort = 256;  // sorted by comparison
constexpr int kDigits = 256;

// Sorts n items by their keys, equal ones staying in order; `other` has room for as many. Digit by digit from the last,
// but for those that all keys have in common. Returns where the sorted items are: items or other.
template <class Item>
Item* sort_by_digits(std::int64_t n, Item* items, Item* other) {
  constexpr int passes = sizeof(decltype(key(*items)));
  const Scratch<std::int64_t> counts(passes * kDigits);
  std::fill_n(counts.data(), passes * kDigits, 0);
  for (std::int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < passes; ++pass) ++counts[pass * kDigits + ((key(items[i]) >> (8 * pass)) & 0xff)];
  for (int pass = 0; pass < passes; ++pass) {
    std::int64_t* count = counts.data() + pass * kDigits;
    if (count[(key(items[0]) >> (8 * pass)) & 0xff] == n) continue;
    std::int64_t at = 0;
    for (int digit = 0; digit < kDigits; ++digit) at += std::exchange(count[digit], at);
    for (std::int64_t i = 0; i < n; ++i) other[count[(key(items[i]) >> (8 * pass)) & 0xff]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

// A few first ones of many: what comes is put behind those found so far, if it is not behind all of them, until there
// are twice as many; then half is dropped. `wanted` is less than n / 8, so that nothing is written over that was not
// read.
template <class Item>
Item* first_items(std::int64_t n, std::int64_t wanted, Item* items) {
  const std::int64_t room = 2 * wanted;
  std::int64_t count = room;
  const auto drop = [&] {
    std::nth_element(items, items + wanted - 1, items + count);
    count = wanted;
  };
  drop();
  Item last = items[wanted - 1];
  for (std::int64_t i = room; i < n; ++i) {
    if (!(items[i] < last)) continue;
    items[count++] = items[i];
    if (count < room) continue;
    drop();
    last = items[wanted - 1];
  }
  drop();
  std::sort(items, items + wanted);
  return items;
}

// The first `wanted` of the sorted items, in order.
template <class Item>
Item* sort_items(std::int64_t n, std::int64_t wanted, Item* items, Item* other) {
  if constexpr (!std::is_integral_v<Item>) {
    if (n > kShort && wanted < n / 8) return first_items(n, wanted, items);
  }
  if (n > kShort) return sort_by_digits(n, items, other);
  std::sort(items, items + n);
  return items;
}

// The lines of an array along an axis, the array being contiguous: [outer][n][inner].
struct Lines {
  std::int64_t outer = 1, n, inner = 1;
  Lines(const Dims& shape, int axis) : n(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
  std::int64_t count() const { return outer * inner; }
  std::int64_t first(std::int64_t line, std::int64_t length) const {  // in an array whose lines are that long
    return line / inner * length * inner + line % inner;
  }
};

// For every line: make(place, item) of each item, sorted; then take(sorted items, first item of the result).
template <class Item, class T, class Make, class Take>
void sort_lines(const Array& source, const Array& out, int axis, Make make, Take take) {
  const Array x = as_contiguous(source);
  const Lines lines(x.shape(), axis);
  const std::int64_t wanted = out.dim(axis);
  if (lines.count() == 0 || wanted == 0) return;
  parallel_chunks(lines.count(), rows_per_chunk(lines.n, kChunkItems / 8), [&](std::int64_t begin, std::int64_t end) {
    const Scratch<Item> buffer(2 * lines.n);
    for (std::int64_t line = begin; line < end; ++line) {
      const T* from = x.data<T>() + lines.first(line, lines.n);
      Item* items = buffer.data();
      for (std::int64_t i = 0; i < lines.n; ++i) items[i] = make(i, from[i * lines.inner]);
      const Item* sorted = sort_items(lines.n, wanted, items, items + lines.n);
      const std::int64_t to = lines.first(line, wanted);
      for (std::int64_t i = 0; i < wanted; ++i) take(sorted[i], to + i * lines.inner);
    }
  });
}

int axis_of(const Call& call) { return wrap_axis(call.kernel.name, call.attrs[0].integer(), call.in[0].rank()); }

// sort: attrs axis, descending.
void sort_infer(Call& call) {
  axis_of(call);
  call.out[0] = call.in[0].shape_only();
}

void sort_run(const Call& call) {
  const Array &x = call.in[0], &out = call.out[0];
  dispatch(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Key<T> flip = call.attrs[1].flag() ? ~Key<T>(0) : 0;
    sort_lines<Key<T>, T>(
        x, out, axis_of(call), [=](std::int64_t, T item) { return key_by_bits(item) ^ flip; },
        [=, to = out.data<T>()](Key<T> sorted, std::int64_t at) { to[at] = item_of<T>(sorted ^ flip); });
  });
}

// argsort: attrs axis, descending, how many places of the sorted line are wanted (None: all).
void argsort_infer(Call& call) {
  const int axis = axis_of(call);
  Dims shape = call.in[0].shape();
  if (!call.attrs[2].is_none()) {
    const std::int64_t wanted = call.attrs[2].integer();
    if (wanted < 0 || wanted > shape[axis])
      fail(ErrorKind::Value, "topk: k must be from 0 to ", shape[axis], ", the size of axis ", axis, "; got ", wanted);
    shape[axis] = wanted;
  }
  call.out[0] = Array::abstract(shape, DType::Int64);
}

void argsort_run(const Call& call) {
  const Array &x = call.in[0], &out = call.out[0];
  const int axis = axis_of(call);
  dispatch(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto sorted = [&](auto wide) {  // places as wide as keys, but where there are too many
      using K = decltype(wide);
      const Key<T> flip = call.attrs[1].flag() ? ~Key<T>(0) : 0;
      sort_lines<Placed<K>, T>(
          x, out, axis, [=](std::int64_t i, T item) { return Placed<K>{key_of(item) ^ flip, static_cast<K>(i)}; },
          [to = out.data<std::int64_t>()](Placed<K> item, std::int64_t at) {
            to[at] = static_cast<std::int64_t>(item.place);
          });
    };
    if (x.dim(axis) <= std::numeric_limits<std::uint32_t>::max())
      sorted(Key<T>{});
    else
      sorted(std::uint64_t{});
  });
}

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

// How many of n sorted keys are before `key`: less, or (right) not greater.
template <class T>
std::int64_t places_before(const T* a, std::int64_t n, Key<T> wanted, bool right) {
  const T* first = a;
  while (n > 0) {
    const std::int64_t half = n / 2;
    const Key<T> found = key_of(first[half]);
    const bool before = found < wanted || (right && found == wanted);
    first = before ? first + half + 1 : first;
    n = before ? n - half - 1 : half;
  }
  return first - a;
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
    auto* out = call.out[0].data<std::int64_t>();
    parallel_chunks(wanted, kChunkItems / 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        out[i] = places_before(a.data<T>() + i / each * n, n, key_of(v.data<T>()[i]), right);
    });
  });
}

double sort_cost(const Call& call) { return 10.0 * static_cast<double>(call.in[0].numel()); }
double search_cost(const Call& call) { return 20.0 * static_cast<double>(call.in[1].numel()); }

}  // namespace

void register_sorting(Registry& registry) {
  const AttrSpec axis{"axis", AttrKind::Integer}, descending{"descending", AttrKind::Flag};
  registry.add({.name = "sort",
                .n_in = 1,
                .attributes = {axis, descending},
                .infer = sort_infer,
                .run = {sort_run},
                .cost = sort_cost});
  registry.add({.name = "argsort",
                .n_in = 1,
                .attributes = {axis, descending, {"k", AttrKind::Integer | AttrKind::None}},
                .infer = argsort_infer,
                .run = {argsort_run},
                .cost = sort_cost});
  registry.add({.name = "searchsorted",
                .n_in = 2,
                .attributes = {{"right", AttrKind::Flag}},
                .inputs = Inputs::Promote,
                .infer = searchsorted_infer,
                .run = {searchsorted_run},
                .cost = search_cost});
}

}  // namespace alice
