// Vec<T>: the widest vector of the instruction-set level that this file is being compiled for, with masked
// loads and stores, and an in-register transpose. Included by the matmul*_loops.cpp only, inside their namespace.
//
// fma() is fused where the level has it and a*b + c elsewhere; every kernel of one level rounds alike.

#if defined(__AVX512F__)

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int kWidth = 16;
  static Mask first(std::int64_t n) { return static_cast<Mask>((1u << n) - 1); }  // 0 <= n <= kWidth
  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static void store(float* p, Reg v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, Reg v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
};

template <>
struct Vec<double> {
  using Reg = __m512d;
  using Mask = __mmask8;
  static constexpr int kWidth = 8;
  static Mask first(std::int64_t n) { return static_cast<Mask>((1u << n) - 1); }
  static Reg zero() { return _mm512_setzero_pd(); }
  static Reg broadcast(const double* p) { return _mm512_set1_pd(*p); }
  static Reg load(const double* p) { return _mm512_loadu_pd(p); }
  static Reg load(const double* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
  static void store(double* p, Reg v) { _mm512_storeu_pd(p, v); }
  static void store(double* p, Reg v, Mask m) { _mm512_mask_storeu_pd(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
};

// Half of one, for few columns: many processors need half of the time for it.
struct HalfVec {
  using Reg = __m256;
  using Mask = __mmask8;
  static constexpr int kWidth = 8;
  static Mask first(std::int64_t n) { return static_cast<Mask>((1u << n) - 1); }
  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg load(const float* p, Mask m) { return _mm256_maskz_loadu_ps(m, p); }
  static void store(float* p, Reg v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, Reg v, Mask m) { _mm256_mask_storeu_ps(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
};

#elif defined(__AVX2__)

template <class T>
struct Vec;

alignas(64) constexpr std::int32_t kLanes32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(64) constexpr std::int64_t kLanes64[8] = {-1, -1, -1, -1};

template <>
struct Vec<float> {
  using Reg = __m256;
  using Mask = __m256i;
  static constexpr int kWidth = 8;
  static Mask first(std::int64_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLanes32 + 8 - n)); }
  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static void store(float* p, Reg v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, Reg v, Mask m) { _mm256_maskstore_ps(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
};

template <>
struct Vec<double> {
  using Reg = __m256d;
  using Mask = __m256i;
  static constexpr int kWidth = 4;
  static Mask first(std::int64_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLanes64 + 4 - n)); }
  static Reg zero() { return _mm256_setzero_pd(); }
  static Reg broadcast(const double* p) { return _mm256_broadcast_sd(p); }
  static Reg load(const double* p) { return _mm256_loadu_pd(p); }
  static Reg load(const double* p, Mask m) { return _mm256_maskload_pd(p, m); }
  static void store(double* p, Reg v) { _mm256_storeu_pd(p, v); }
  static void store(double* p, Reg v, Mask m) { _mm256_maskstore_pd(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
};

#else  // 16-byte vectors in the compiler's own notation: SSE2, NEON

template <class T>
struct Vec {
  typedef T Reg __attribute__((vector_size(16)));
  using Mask = std::int64_t;
  static constexpr int kWidth = 16 / sizeof(T);
  static Mask first(std::int64_t n) { return n; }
  static Reg zero() { return Reg{}; }
  static Reg broadcast(const T* p) { return Reg{} + *p; }
  static Reg load(const T* p) {
    Reg v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static Reg load(const T* p, Mask m) {
    Reg v{};
    for (std::int64_t i = 0; i < kWidth; ++i)
      if (i < m) v[i] = p[i];
    return v;
  }
  static void store(T* p, Reg v) { __builtin_memcpy(p, &v, sizeof v); }
  static void store(T* p, Reg v, Mask m) {
    for (std::int64_t i = 0; i < kWidth; ++i)
      if (i < m) p[i] = v[i];
  }
  static Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
};

#endif

// One exchange step of Eklundh's transpose: blocks of `Step` lanes change places between two rows.
template <int Step, class Reg, std::size_t... Lane>
inline void exchange(Reg& lo, Reg& hi, std::index_sequence<Lane...>) {
  constexpr int W = sizeof...(Lane);
  const Reg a = lo, b = hi;
  lo = __builtin_shufflevector(a, b, ((Lane & Step) ? W + static_cast<int>(Lane) - Step : static_cast<int>(Lane))...);
  hi = __builtin_shufflevector(a, b, ((Lane & Step) ? W + static_cast<int>(Lane) : static_cast<int>(Lane) + Step)...);
}

template <int Step, int W, class Reg>
inline void transpose_from(Reg* r) {
  if constexpr (Step < W) {
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i)
      if (!(i & Step)) exchange<Step>(r[i], r[i + Step], std::make_index_sequence<W>{});
    transpose_from<Step * 2, W>(r);
  }
}

// r[i][j] becomes r[j][i].
template <class T>
inline void transpose(typename Vec<T>::Reg* r) {
  transpose_from<1, Vec<T>::kWidth>(r);
}
