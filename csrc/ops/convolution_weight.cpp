// Hot: every image is copied here.
#include "convolution_weight.h"

#include <algorithm>
#include <type_traits>

#include "../core/chunks.h"
#include "../core/scratch.h"
#include "matmul_driver.h"

namespace alice {
namespace {

using std::int64_t;

constexpr int64_t kImagesItems = 1024;        // small images are taken together until there are so many places
constexpr int64_t kImagesBytes = 512 * 1024;  // and no more memory than stays near
constexpr int64_t kSumsNear = 1024 * 1024;    // sums beyond this come from far, for as many images as may be:
constexpr int64_t kFar = 4;                   // so many times as many
constexpr int64_t kChain = 256;               // longest sum in registers
constexpr int64_t kPlaceBytes = 256 * 1024;   // images and cotangents that all panels of sums meet at a time

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
constexpr DType kDType = std::is_same_v<T, float> ? DType::Float32 : DType::Float64;

template <class T>
const auto& of_type(const auto& table) {
  if constexpr (std::is_same_v<T, float>)
    return table.f32;
  else
    return table.f64;
}

}  // namespace

template <class T>
WeightGradient<T>::WeightGradient(const Windows& windows, int64_t images, int64_t groups, int64_t channels,
                                  int64_t rows)
    : windows_(windows),
      all_images_(images),
      groups_(groups),
      channels_(channels),
      rows_(rows),
      loops_(of_type<T>(convolution_table())),
      matmul_(of_type<T>(matmul_table())) {
  tiles_ = std::max<int64_t>(1, ceil_div(rows, loops_.rows));
  height_ = rows / tiles_;
  higher_ = rows % tiles_;
  if (images == 0 || rows == 0 || channels == 0 || groups == 0) return;
  image_ = channels;
  for (int i = 0; i < 3; ++i) {
    const WindowAxis& a = windows.axis[i];
    extent_[i] = (a.out - 1) * a.stride + a.span() + 1;
    image_ *= extent_[i];
  }
  const int64_t places = windows.out_items(), bytes = (image_ + rows * places) * static_cast<int64_t>(sizeof(T));
  const bool far = rows * channels * windows.taps() * static_cast<int64_t>(sizeof(T)) > kSumsNear;
  images_ = std::clamp<int64_t>(std::min(kImagesItems / places, (far ? kFar : 1) * kImagesBytes / bytes), 1, images);
  const auto& [z, y, x] = windows_.axis;
  steps_.reserve(static_cast<std::size_t>(images_ * places));
  for (int64_t n = 0; n < images_; ++n)
    for (int64_t i = 0; i < z.out; ++i)
      for (int64_t j = 0; j < y.out; ++j)
        for (int64_t k = 0; k < x.out; ++k)
          steps_.push_back(
              {static_cast<int64_t>(steps_.size()),
               n * image_ + ((i * z.stride * extent_[1] + j * y.stride) * extent_[2] + k * x.stride) * channels});
  add_panels();
}

// Where taps are neighbours their items are one run: all of a line of the window, else each tap alone.
template <class T>
void WeightGradient<T>::add_panels() {
  const auto& [z, y, x] = windows_.axis;
  const int64_t together = x.dilation == 1 ? x.window : 1, run = together * channels_;
  const int64_t highest = height_ + (higher_ > 0);
  for (int64_t i = 0; i < z.window; ++i)
    for (int64_t j = 0; j < y.window; ++j)
      for (int64_t k = 0; k < x.window; k += together) {
        const int64_t from = ((i * z.dilation * extent_[1] + j * y.dilation) * extent_[2] + k * x.dilation) * channels_;
        const int64_t column = ((i * y.window + j) * x.window + k) * channels_;
        for (int64_t at = 0; at < run;) {
          const int vectors = loops_.vectors(highest, run - at);
          const int64_t width = int64_t{loops_.width} << vectors;
          panels_.push_back({from + at, column + at, std::min(width, run - at), vectors, sums_});
          sums_ += rows_ * width;
          at += width;
        }
      }
}

// Copies images with their channels last, and zeros around them.
template <class T>
void WeightGradient<T>::fill(const T* x, int64_t images, T* buffer) const {
  const auto& [z, y, w] = windows_.axis;
  const int64_t items = windows_.in_items(), lines = extent_[0] * extent_[1], line = extent_[2] * channels_;
  const int64_t count = std::max<int64_t>(0, std::min(w.in, extent_[2] - w.lo));
  parallel_chunks(images * lines, rows_per_chunk(line), [&](int64_t begin, int64_t end) {
    std::fill_n(buffer + begin * line, (end - begin) * line, T{0});
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / lines, at_z = i % lines / extent_[1] - z.lo, at_y = i % extent_[1] - y.lo;
      if (at_z < 0 || at_z >= z.in || at_y < 0 || at_y >= y.in || count == 0) continue;
      const T* from = x + n * groups_ * channels_ * items + (at_z * y.in + at_y) * w.in;
      T* to = buffer + i * line + w.lo * channels_;
      if (channels_ == 1)
        std::copy_n(from, count, to);
      else
        matmul_.pack(channels_, count, from, items, 1, to, channels_);
    }
  });
}

// The cotangents of each tile of rows, place by place.
template <class T>
void WeightGradient<T>::pack(const T* g, int64_t images, T* packed) const {
  const int64_t places = windows_.out_items();
  parallel_chunks(images * tiles_, rows_per_chunk(rows_ * places / tiles_ + 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / tiles_, first = tile_row(i % tiles_), rows = tile_row(i % tiles_ + 1) - first;
      matmul_.pack(rows, places, g + (n * groups_ * rows_ + first) * places, places, 1,
                   packed + (first * images + n * rows) * places, rows);
    }
  });
}

template <class T>
void WeightGradient<T>::multiply(int64_t images, const T* packed, const T* buffer, bool first, T* sums) const {
  const int64_t k = images * windows_.out_items(), depths = ceil_div(k, kChain);
  const int64_t place = (channels_ + rows_) * static_cast<int64_t>(sizeof(T)) * kChain;
  const int64_t together = std::max<int64_t>(1, kPlaceBytes / place);
  const int64_t width = 2 * loops_.width;
  for (int64_t d0 = 0; d0 < depths; d0 += together) {
    const int64_t d1 = std::min(depths, d0 + together);
    const int64_t work = std::max<int64_t>(1, rows_ * width * kChain * (d1 - d0));
    parallel_chunks(static_cast<int64_t>(panels_.size()), std::max<int64_t>(1, kChunkMultiplies / work),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t d = d0; d < d1; ++d) {
                        const int64_t k0 = k * d / depths, nk = k * (d + 1) / depths - k0;
                        for (int64_t p = begin; p < end; ++p) {
                          const Panel& panel = panels_[static_cast<std::size_t>(p)];
                          for (int64_t i = 0; i < tiles_; ++i) {
                            const int64_t row = tile_row(i), rows = tile_row(i + 1) - row;
                            loops_.tiles[rows][panel.vectors](
                                nk, packed + row * k, buffer + panel.from, steps_.data() + k0,
                                sums + panel.sums + row * (int64_t{loops_.width} << panel.vectors), !first || d > 0);
                          }
                        }
                      }
                    });
  }
}

// From taps outside to channels outside.
template <class T>
void WeightGradient<T>::write(const T* sums, T* dw) const {
  const int64_t taps = windows_.taps(), row_items = taps * channels_;
  parallel_chunks(rows_, rows_per_chunk(row_items), [&](int64_t begin, int64_t end) {
    const Scratch<T> line(row_items);
    for (int64_t row = begin; row < end; ++row) {
      T* out = dw + row * row_items;
      T* to = taps == 1 || channels_ == 1 ? out : line.data();
      for (const Panel& panel : panels_)
        std::copy_n(sums + panel.sums + row * (int64_t{loops_.width} << panel.vectors), panel.items, to + panel.column);
      if (to != out) matmul_.pack(taps, channels_, to, channels_, 1, out, taps);
    }
  });
}

template <class T>
void WeightGradient<T>::run(const T* x, const T* g, T* dw) const {
  const int64_t places = windows_.out_items(), items = windows_.in_items();
  if (panels_.empty()) {
    std::fill_n(dw, groups_ * rows_ * channels_ * windows_.taps(), T{0});
    return;
  }
  const int64_t slack = int64_t{loops_.width} * ConvolutionLoops<T>::kVectors;
  parallel_for(groups_, [&](int64_t group) {
    const Array sums = Array::empty({sums_}, kDType<T>), packed = Array::empty({images_ * rows_ * places}, kDType<T>);
    const Array buffer = Array::empty({images_ * image_ + slack}, kDType<T>);
    std::fill_n(buffer.data<T>(), images_ * image_ + slack, T{0});
    for (int64_t n = 0; n < all_images_; n += images_) {
      const int64_t images = std::min(images_, all_images_ - n);
      fill(x + (n * groups_ + group) * channels_ * items, images, buffer.data<T>());
      pack(g + (n * groups_ + group) * rows_ * places, images, packed.data<T>());
      multiply(images, packed.data<T>(), buffer.data<T>(), n == 0, sums.data<T>());
    }
    write(sums.data<T>(), dw + group * rows_ * channels_ * windows_.taps());
  });
}

template class WeightGradient<float>;
template class WeightGradient<double>;

}  // namespace alice
