// A few keys sorted in vectors: rows of vectors are sorted lane by lane, then neighbouring lanes are merged until one
// row holds what follows the row before it. No branch depends on a key. Included by sort_loops.cpp only, inside its
// namespace, for levels with vectors of 32 bytes and more.

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kMostRows = 16;
#else
constexpr int kVectorBytes = 32, kMostRows = 8;  // as many as stay in registers
#endif

template <class K>
struct Lanes {
  using V [[gnu::vector_size(kVectorBytes)]] = K;
  using Numbers = std::make_integer_sequence<int, kVectorBytes / sizeof(K)>;
};
template <class K>
using Vec = typename Lanes<K>::V;
template <class K>
constexpr std::int64_t kLanes = kVectorBytes / sizeof(K);

template <class K>
ALICE_HD Vec<K> load(const K* p) {
  Vec<K> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class K>
ALICE_HD void store(K* p, Vec<K> v) {
  std::memcpy(p, &v, sizeof v);
}
template <class V>
ALICE_HD V lower(V a, V b) {
  return a < b ? a : b;
}
template <class V>
ALICE_HD V upper(V a, V b) {
  return a < b ? b : a;
}

// f(constant) for each of 0 … N − 1.
template <int N, class F>
ALICE_HD void unrolled(F f) {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

// Lane c has what lane c ^ By had.
template <int By, class K, int... C>
ALICE_HD Vec<K> exchanged(Vec<K> v, std::integer_sequence<int, C...>) {
  return __builtin_shufflevector(v, v, (C ^ By)...);
}
// Lanes c and c ^ By in order; the larger goes to the one that has the bit `Up`.
template <int By, int Up, class K, int... C>
ALICE_HD Vec<K> compared(Vec<K> v, std::integer_sequence<int, C...> lanes) {
  const Vec<K> w = exchanged<By, K>(v, lanes);
  constexpr Vec<K> up = {((C & Up) ? K(-1) : K(0))...};
  return up ? upper(v, w) : lower(v, w);
}
template <int Distance, class K>
ALICE_HD Vec<K> cleaned(Vec<K> v) {  // a bitonic sequence of 2 · Distance lanes in order
  if constexpr (Distance == 0)
    return v;
  else
    return cleaned<Distance / 2, K>(compared<Distance, Distance, K>(v, typename Lanes<K>::Numbers{}));
}

// Batcher's network for merging odd and even places.
struct Wire {
  int low, high;
};
template <int R>
struct Network {
  int count = 0;
  Wire wires[R * R / 2 + 1] = {};
  constexpr Network() {
    for (int p = 1; p < R; p *= 2)
      for (int k = p; k >= 1; k /= 2)
        for (int j = k % p; j < R - k; j += 2 * k)
          for (int i = j; i < j + k && i < R - k; ++i)
            if (i / (2 * p) == (i + k) / (2 * p)) wires[count++] = {i, i + k};
  }
};

template <class K, int R>
ALICE_HD void sort_lanes(Vec<K> (&v)[R]) {
  static constexpr Network<R> network;
  unrolled<network.count>([&](auto i) {
    constexpr Wire wire = network.wires[i];
    const Vec<K> a = v[wire.low], b = v[wire.high];
    v[wire.low] = lower(a, b);
    v[wire.high] = upper(a, b);
  });
}

// Groups of Group / 2 lanes hold sorted sequences, row after row: here two neighbours become one. The one on the right
// is read backwards, so that both are a bitonic sequence: first row against last one, in blocks of half the size each
// time, then within each row.
template <class K, int R, int Group, int Block = R>
ALICE_HD void merge_rows(Vec<K> (&v)[R]) {
  if constexpr (Block > 1) {
    Vec<K> merged[R];
    unrolled<R / 2>([&](auto i) {
      constexpr int half = Block / 2, first = i / half * Block, row = i % half;
      const Vec<K> a = v[first + row];
      const Vec<K> b = exchanged<Group - 1, K>(v[first + Block - 1 - row], typename Lanes<K>::Numbers{});
      merged[first + row] = lower(a, b);
      merged[first + half + row] = upper(a, b);
    });
    unrolled<R>([&](auto i) { v[i] = merged[i]; });
    merge_rows<K, R, Group, Block / 2>(v);
  }
}
template <class K, int R, int Group = 2>
ALICE_HD void merge_lanes(Vec<K> (&v)[R]) {
  if constexpr (Group <= kLanes<K>) {
    merge_rows<K, R, Group>(v);
    unrolled<R>([&](auto i) {
      v[i] = cleaned<Group / 4, K>(compared<Group - 1, Group / 2, K>(v[i], typename Lanes<K>::Numbers{}));
    });
    merge_lanes<K, R, 2 * Group>(v);
  }
}

// n keys fill more than half of R rows. What lies up to a vector behind them is read and written back.
template <class K, int R>
[[gnu::noinline]] void sort_rows(std::int64_t n, const K* from, K* to) {
  const Vec<K> lane = []<int... C>(std::integer_sequence<int, C...>) {
    return Vec<K>{C...};
  }(typename Lanes<K>::Numbers{});
  const Vec<K> most = Vec<K>{} + std::numeric_limits<K>::max();
  const auto inside = [&](int row) { return lane < Vec<K>{} + static_cast<K>(n - row * kLanes<K>); };
  Vec<K> v[R];
  unrolled<R>([&](auto row) {
    constexpr std::int64_t at = row * kLanes<K>;
    v[row] = n > at ? inside(row) ? load(from + at) : most : most;
  });
  asm("" : "+r"(n));  // or all that follows is made once for each number of rows
  sort_lanes<K, R>(v);
  merge_lanes<K, R>(v);
  unrolled<R>([&](auto row) {
    constexpr std::int64_t at = row * kLanes<K>;
    if (n > at) store<K>(to + at, inside(row) ? v[row] : load(to + at));
  });
}

template <class K>
constexpr std::int64_t kFew = kMostRows * kLanes<K>;
template <class K, int R = 1>
void sort_few(std::int64_t n, const K* from, K* to) {
  if constexpr (R < kMostRows)
    if (n > R * kLanes<K>) return sort_few<K, 2 * R>(n, from, to);
  sort_rows<K, R>(n, from, to);
}
