// Items become signed integers of their size, their keys, and places are sorted as keys with the place in the low bits.
// Keys are sorted by dividing (partition) until networks take over, at levels without wide vectors digit by digit.
#include "sort_loops.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "math_bits.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are no arguments of functions that are called

namespace alice::ALICE_ISA {
namespace {

using std::int32_t;
using std::int64_t;

template <class T>
using Key = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
template <class K>
constexpr K kMost = std::numeric_limits<K>::max();

ALICE_HD int bits_of(std::uint64_t x) { return static_cast<int>(std::bit_width(x)); }

// --- Items and keys -------------------------------------------------------------------------------------------

template <class T>
ALICE_HD Key<T> key_of(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    using K = Key<T>;
    const K bits = __builtin_bit_cast(K, x != x ? std::numeric_limits<T>::quiet_NaN() : x);
    return bits ^ ((bits >> (8 * sizeof(K) - 1)) & kMost<K>);
  } else {
    return static_cast<Key<T>>(x);
  }
}
template <class T>
ALICE_HD T item_of(Key<T> key) {
  if constexpr (std::is_floating_point_v<T>)
    return __builtin_bit_cast(T, key ^ ((key >> (8 * sizeof(T) - 1)) & kMost<Key<T>>));
  else
    return static_cast<T>(key);
}
template <class T>
ALICE_HD T without_sign_of_zero(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return x + T(0);
  else
    return x;
}

// --- Keys -----------------------------------------------------------------------------------------------------

#if defined(__AVX2__)

#include "sort_network.h"

// The lanes that are less than the pivot, then the others; returns how many are.
template <class K>
ALICE_HD int divided(Vec<K> v, Vec<K> pivot, Vec<K>& out) {
#if defined(__AVX512F__)
  const __m512i x = __builtin_bit_cast(__m512i, v), p = __builtin_bit_cast(__m512i, pivot);
  if constexpr (sizeof(K) == 4) {
    const __mmask16 less = _mm512_cmplt_epi32_mask(x, p);
    const int count = __builtin_popcount(less);
    const __m512i others = _mm512_maskz_compress_epi32(static_cast<__mmask16>(~less), x);
    out = __builtin_bit_cast(Vec<K>, _mm512_mask_expand_epi32(_mm512_maskz_compress_epi32(less, x),
                                                              static_cast<__mmask16>(0xffffu << count), others));
    return count;
  } else {
    const __mmask8 less = _mm512_cmplt_epi64_mask(x, p);
    const int count = __builtin_popcount(less);
    const __m512i others = _mm512_maskz_compress_epi64(static_cast<__mmask8>(~less), x);
    out = __builtin_bit_cast(Vec<K>, _mm512_mask_expand_epi64(_mm512_maskz_compress_epi64(less, x),
                                                              static_cast<__mmask8>(0xffu << count), others));
    return count;
  }
#else
  // The numbers of the lanes, a byte of each half of a long one, in the order wanted.
  const __m256i less = __builtin_bit_cast(__m256i, v < pivot);
  const auto mask = static_cast<unsigned>(sizeof(K) == 4 ? _mm256_movemask_ps(_mm256_castsi256_ps(less))
                                                         : _mm256_movemask_pd(_mm256_castsi256_pd(less)));
  const std::uint64_t bytes =
      sizeof(K) == 4 ? _pdep_u64(mask, 0x0101010101010101u) * 0xff : _pdep_u64(mask, 0x0001000100010001u) * 0xffff;
  constexpr std::uint64_t numbers = 0x0706050403020100u;
  const int count = __builtin_popcount(mask), half = count * static_cast<int>(sizeof(K));
  const std::uint64_t order = _pext_u64(numbers, bytes) | _pext_u64(numbers, ~bytes) << half << half;
  const __m256i lanes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(order)));
  out = __builtin_bit_cast(Vec<K>, _mm256_permutevar8x32_epi32(__builtin_bit_cast(__m256i, v), lanes));
  return count;
#endif
}

// What is less than the pivot comes first in `to`, the others last; returns how many are less. A whole vector goes to
// both ends of what is left, which is the same one in the end.
template <class K>
int64_t partition(int64_t n, const K* from, K* to, K pivot) {
  int64_t begin = 0, end = n;
  const int64_t rest = n % kLanes<K>;
  for (int64_t i = 0; i < rest; ++i) {
    const K x = from[i];
    to[begin] = to[end - 1] = x;
    const bool less = x < pivot;
    begin += less;
    end -= !less;
  }
  const Vec<K> pivots = Vec<K>{} + pivot;
  for (int64_t i = rest; i < n; i += kLanes<K>) {
    Vec<K> v;
    const int count = divided<K>(load(from + i), pivots, v);
    store(to + begin, v);
    store(to + end - kLanes<K>, v);
    begin += count;
    end -= kLanes<K> - count;
  }
  return begin;
}

// Of a few keys at equal distances, the one as far from the first as `wanted` is in n, but for some more.
template <class K>
K sampled_pivot(int64_t n, int64_t wanted, const K* keys) {
  constexpr int64_t kMostSamples = 64;
  const int64_t count = n < 2048 ? 16 : kMostSamples, step = n / count;
  K samples[kMostSamples + kLanes<K>];
  for (int64_t i = 0; i < count; ++i) samples[i] = keys[i * step + step / 2];
  sort_few<K>(count, samples, samples);
  return samples[2 * wanted > n ? count / 2 : std::min(count / 2, count * wanted / n + 3)];
}
// The middle between the least and the largest key: this one divides whatever the keys are.
template <class K>
K middle_pivot(int64_t n, const K* keys) {
  using U = std::make_unsigned_t<K>;
  K least = keys[0], most = keys[0];
  for (int64_t i = 0; i < n; ++i) {
    least = keys[i] < least ? keys[i] : least;
    most = keys[i] > most ? keys[i] : most;
  }
  const U apart = static_cast<U>(most) - static_cast<U>(least);
  return static_cast<K>(static_cast<U>(least) + apart / 2 + (apart > 0));
}

// The first `wanted` keys of n in order; the others come after them, in any. `other` has room for as many, and both for
// a vector more.
template <class K>
void sort_keys(int64_t n, int64_t wanted, K* keys, K* other) {
  struct Part {
    int64_t begin, n;
    bool moved;  // to `other`
    int luck;    // how many more samples may be bad
  };
  // Of each division the smaller part is done first: no more wait than n has bits.
  Part waiting[64], part{0, n, false, 4 + 2 * bits_of(static_cast<std::uint64_t>(n))};
  int count = 0;
  for (;;) {
    const bool small = part.n <= kFew<K>;
    const K* from = (part.moved ? other : keys) + part.begin;
    if (small || part.begin >= wanted) {
      if (small)
        sort_few<K>(part.n, from, keys + part.begin);
      else if (part.moved)
        std::memcpy(keys + part.begin, from, static_cast<std::size_t>(part.n) * sizeof(K));
      if (count == 0) return;
      part = waiting[--count];
      continue;
    }
    const int64_t inside = std::min(wanted - part.begin, part.n);
    const K pivot = part.luck > 0 ? sampled_pivot(part.n, inside, from) : middle_pivot(part.n, from);
    K* to = (part.moved ? keys : other) + part.begin;
    int64_t less = partition(part.n, from, to, pivot);
    if (less == 0) {  // the pivot is the least key: all that are equal to it are in order
      less = pivot == kMost<K> ? part.n : partition(part.n, from, to, static_cast<K>(pivot + 1));
      std::fill_n(keys + part.begin, less, pivot);
      part = {part.begin + less, part.n - less, !part.moved, part.luck};
      continue;
    }
    Part left{part.begin, less, !part.moved, part.luck - 1};
    Part right{part.begin + less, part.n - less, !part.moved, part.luck - 1};
    if (left.n > right.n) std::swap(left, right);
    waiting[count++] = right;
    part = left;
  }
}

#else

// Digit by digit from the last, but for those that all keys have in common.
template <class K>
void sort_keys(int64_t n, int64_t wanted, K* keys, K* other) {
  constexpr int64_t kShort = 256;
  constexpr int kDigits = 256, kPasses = sizeof(K);
  if (n > kShort && wanted < n / 8) {
    std::nth_element(keys, keys + wanted - 1, keys + n);
    n = wanted;
  }
  if (n <= kShort) return std::sort(keys, keys + n);
  const auto digit = [](K key, int pass) {
    constexpr auto top = static_cast<std::make_unsigned_t<K>>(std::numeric_limits<K>::min());
    return ((static_cast<std::make_unsigned_t<K>>(key) ^ top) >> (8 * pass)) & 0xff;
  };
  int64_t counts[kPasses][kDigits] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < kPasses; ++pass) ++counts[pass][digit(keys[i], pass)];
  K *from = keys, *to = other;
  for (int pass = 0; pass < kPasses; ++pass) {
    if (counts[pass][digit(from[0], pass)] == n) continue;
    int64_t at = 0;
    for (int64_t& count : counts[pass]) at += std::exchange(count, at);
    for (int64_t i = 0; i < n; ++i) to[counts[pass][digit(from[i], pass)]++] = from[i];
    std::swap(from, to);
  }
  if (from != keys) std::memcpy(keys, from, static_cast<std::size_t>(n) * sizeof(K));
}

#endif

// --- Lines ----------------------------------------------------------------------------------------------------

// Zeros of both signs are equal, and stay in the order that they came in, as argsort leaves them. Keys put those of one
// sign first: -1 before 0, flipped or not.
template <class T>
void order_zeros(int64_t n, const Key<T>* keys, const T* from, T* to) {
  const auto* first = std::lower_bound(keys, keys + n, Key<T>(-1));
  if (first == keys + n || *first != -1 || !std::binary_search(first, keys + n, Key<T>(0))) return;
  to += first - keys;
  for (int64_t i = 0; i < n; ++i)
    if (from[i] == 0) *to++ = from[i];
}

template <class T>
void sort(int64_t n, const void* items, void* sorted, bool descending, void* work) {
  using K = Key<T>;
  auto* keys = static_cast<K*>(work);
  const auto* from = static_cast<const T*>(items);
  auto* to = static_cast<T*>(sorted);
  const K flip = descending ? K(-1) : K(0);
  for (int64_t i = 0; i < n; ++i) keys[i] = key_of(from[i]) ^ flip;
  sort_keys<K>(n, n, keys, keys + n + kSortSlack / sizeof(K));
  for (int64_t i = 0; i < n; ++i) to[i] = item_of<T>(keys[i] ^ flip);
  if constexpr (std::is_floating_point_v<T>) order_zeros<T>(n, keys, from, to);
}

// Places in the low bits of what is sorted, and as much of the keys as there is room for above them. Keys that differ
// in what is dropped alone are so close together that among them nothing needs to be dropped.
struct Packing {
  int place_bits, dropped;
  Packing(int64_t n, int key_bits)
      : place_bits(bits_of(static_cast<std::uint64_t>(n - 1))), dropped(std::max(0, key_bits + place_bits - 63)) {}
  ALICE_HD int64_t pack(std::uint64_t above_least, int64_t place) const {
    return static_cast<int64_t>((above_least >> dropped) << place_bits) | place;
  }
  ALICE_HD int64_t place(int64_t packed) const { return packed & ((int64_t{1} << place_bits) - 1); }
  ALICE_HD int64_t key(int64_t packed) const { return packed >> place_bits; }
};

ALICE_HD std::uint64_t distance(int64_t key, int64_t least) {
  return static_cast<std::uint64_t>(key) - static_cast<std::uint64_t>(least);
}

// Puts n packed items, whose keys are equal but for what was dropped, into the order of their keys.
template <class K>
void order_run(const Packing& packing, int64_t n, int64_t* packed, const K* keys, int64_t* again, int64_t* other) {
  const auto key = [&](int64_t i) { return keys[packing.place(packed[i])]; };
  int64_t least = key(0);
  bool ordered = true;
  for (int64_t i = 1; i < n; ++i) {
    ordered = ordered && key(i - 1) <= key(i);
    least = std::min<int64_t>(least, key(i));
  }
  if (ordered) return;
  const Packing exact(n, packing.dropped);
  for (int64_t i = 0; i < n; ++i) again[i] = exact.pack(distance(key(i), least), i);
  sort_keys<int64_t>(n, n, again, other);
  for (int64_t i = 0; i < n; ++i) other[i] = packed[exact.place(again[i])];
  std::memcpy(packed, other, static_cast<std::size_t>(n) * sizeof(int64_t));
}

// The places of the first `wanted` of n sorted keys. `work` has room for three times n, and vectors behind.
template <class K>
void order_keys(int64_t n, int64_t wanted, const K* keys, int64_t* places, int64_t* work) {
  const int64_t room = n + kSortSlack / 8;
  int64_t *packed = work, *other = packed + room;
  K least = std::numeric_limits<K>::min(), most = kMost<K>;
  if constexpr (sizeof(K) == 8) {
    std::swap(least, most);
    for (int64_t i = 0; i < n; ++i) {
      least = keys[i] < least ? keys[i] : least;
      most = keys[i] > most ? keys[i] : most;
    }
  }
  const Packing packing(n, bits_of(distance(most, least)));
  for (int64_t i = 0; i < n; ++i) packed[i] = packing.pack(distance(keys[i], least), i);
  sort_keys<int64_t>(n, wanted, packed, other);
  if (packing.dropped > 0) {
    // What belongs to the run of the last one wanted may be one of the first.
    int64_t end = wanted;
    const int64_t last = packing.key(packed[wanted - 1]);
    for (int64_t i = wanted; i < n; ++i)
      if (packing.key(packed[i]) == last) std::swap(packed[end++], packed[i]);
    sort_keys<int64_t>(end - wanted, end - wanted, packed + wanted, other);
    for (int64_t i = 0, next; i < wanted; i = next) {
      for (next = i + 1; next < end && packing.key(packed[next]) == packing.key(packed[i]);) ++next;
      if (next > i + 1) order_run(packing, next - i, packed + i, keys, other, other + room);
    }
  }
  for (int64_t i = 0; i < wanted; ++i) places[i] = packing.place(packed[i]);
}

// The same of a few among many: what comes is put behind those found so far, if it is not behind all of them, until
// there are several times as many as wanted.
template <class K, class KeyAt>
void order_few(int64_t n, int64_t wanted, KeyAt key, int64_t* places, int64_t room, int64_t* work) {
  constexpr int64_t kBlock = 64;
  int64_t *found = work, *order = found + room, *rest = order + room;
  auto* keys = reinterpret_cast<K*>(rest);
  rest += room;
  int64_t count = 0;
  K last = kMost<K>;
  const auto drop = [&] {
    const int64_t left = std::min(wanted, count);
    order_keys<K>(count, left, keys, order, rest);
    for (int64_t i = 0; i < left; ++i) places[i] = found[order[i]], order[i] = keys[order[i]];
    for (int64_t i = 0; i < left; ++i) found[i] = places[i], keys[i] = static_cast<K>(order[i]);
    count = left;
    if (count == wanted) last = keys[wanted - 1];
  };
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    if (count + kBlock > room) drop();
    if (count >= wanted) {
      const K bound = last;
      int any = 0;
      for (int64_t i = begin; i < end; ++i) any |= key(i) < bound;
      if (!any) continue;
    }
    for (int64_t i = begin; i < end; ++i) {
      found[count] = i;
      keys[count] = key(i);
      count += keys[count] < last || count < wanted;
    }
  }
  drop();
}

template <class T>
void order(int64_t n, int64_t wanted, const void* items, int64_t* places, bool descending, void* work) {
  using K = Key<T>;
  const auto* from = static_cast<const T*>(items);
  const K flip = descending ? K(-1) : K(0);
  const auto key = [=](int64_t i) -> K { return key_of(without_sign_of_zero(from[i])) ^ flip; };
  auto* room = static_cast<int64_t*>(work);
  if (const int64_t few = 2 * wanted + 128; few < n / 64)
    return order_few<K>(n, wanted, key, places, few + kSortSlack / 8, room);
  auto* keys = reinterpret_cast<K*>(room);
  for (int64_t i = 0; i < n; ++i) keys[i] = key(i);
  order_keys<K>(n, wanted, keys, places, room + n + kSortSlack / 8);
}

template <class T>
constexpr SortLoops kLoops = {sort<T>, order<T>};
constexpr SortLoops kAll[kComputedCount] = {{}, {}, kLoops<int32_t>, kLoops<int64_t>, kLoops<float>, kLoops<double>};

}  // namespace

const SortLoops* sort_loops() { return kAll; }

}  // namespace alice::ALICE_ISA
