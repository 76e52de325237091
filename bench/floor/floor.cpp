// The floor: what a C++ programmer would write who has one training step to make fast, a BLAS and no framework.
// All memory is allocated once. Matrices are row-major; a layer computes x @ W + b with W of shape (in, out).
// Compiled for the machine it runs on by bench/floor/__init__.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "cblas.h"

namespace {

void gemm(bool ta, bool tb, int m, int n, int k, const float* a, const float* b, float* c) {
  scipy_cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a,
                    ta ? m : k, b, tb ? k : n, 0.0f, c, n);
}

void gemm(bool ta, bool tb, int m, int n, int k, const double* a, const double* b, double* c) {
  scipy_cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0, a,
                    ta ? m : k, b, tb ? k : n, 0.0, c, n);
}

// Logits in, their gradient out; returns the mean loss.
float cross_entropy(int rows, int classes, const std::int64_t* labels, float* z, float* shifted) {
  for (int i = 0; i < rows; ++i) {
    const float* row = z + std::size_t(i) * classes;
    float top = row[0];
    for (int j = 1; j < classes; ++j) top = std::max(top, row[j]);
    shifted[i] = row[labels[i]] - top;
    for (int j = 0; j < classes; ++j) z[std::size_t(i) * classes + j] = row[j] - top;
  }
  const std::size_t n = std::size_t(rows) * classes;
  for (std::size_t i = 0; i < n; ++i) z[i] = std::exp(z[i]);  // one long loop, whatever the number of classes
  float loss = 0;
  for (int i = 0; i < rows; ++i) {
    float* row = z + std::size_t(i) * classes;
    float sum = 0;
    for (int j = 0; j < classes; ++j) sum += row[j];
    loss += std::log(sum) - shifted[i];
    const float scale = 1.0f / (sum * rows);
    for (int j = 0; j < classes; ++j) row[j] *= scale;
    row[labels[i]] -= 1.0f / rows;
  }
  return loss / rows;
}

struct Mlp {
  struct Layer {
    int in, out;
    float *w, *b, *dw, *db;
  };

  Mlp(const int* sizes, int n_sizes, int batch, float lr, float momentum)
      : batch(batch), lr(lr), momentum(momentum), log_p(batch) {
    std::size_t n = 0;
    for (int i = 0; i + 1 < n_sizes; ++i) n += std::size_t(sizes[i] + 1) * sizes[i + 1];
    parameters.resize(n);
    gradients.resize(n);
    velocities.resize(n);
    float *p = parameters.data(), *g = gradients.data();
    for (int i = 0; i + 1 < n_sizes; ++i) {
      const std::size_t w = std::size_t(sizes[i]) * sizes[i + 1];
      layers.push_back({sizes[i], sizes[i + 1], p, p + w, g, g + w});
      p += w + sizes[i + 1];
      g += w + sizes[i + 1];
      values.emplace_back(std::size_t(batch) * sizes[i + 1]);
      adjoints.emplace_back(std::size_t(batch) * sizes[i + 1]);
    }
  }

  float step(const float* x, const std::int64_t* labels) {
    const int last = int(layers.size()) - 1;
    for (int l = 0; l <= last; ++l) {
      const Layer& layer = layers[l];
      float* y = values[l].data();
      gemm(false, false, batch, layer.out, layer.in, l == 0 ? x : values[l - 1].data(), layer.w, y);
      for (int i = 0; i < batch; ++i) {
        float* row = y + std::size_t(i) * layer.out;
        if (l < last) {
          for (int j = 0; j < layer.out; ++j) row[j] = std::max(row[j] + layer.b[j], 0.0f);
        } else {
          for (int j = 0; j < layer.out; ++j) row[j] += layer.b[j];
        }
      }
    }
    const float loss = cross_entropy(batch, layers[last].out, labels, values[last].data(), log_p.data());

    for (int l = last; l >= 0; --l) {
      const Layer& layer = layers[l];
      const float* dy = l == last ? values[l].data() : adjoints[l].data();
      gemm(true, false, layer.in, layer.out, batch, l == 0 ? x : values[l - 1].data(), dy, layer.dw);
      std::fill_n(layer.db, layer.out, 0.0f);
      for (int i = 0; i < batch; ++i)
        for (int j = 0; j < layer.out; ++j) layer.db[j] += dy[std::size_t(i) * layer.out + j];
      if (l > 0) {
        float* dx = adjoints[l - 1].data();
        const float* h = values[l - 1].data();
        gemm(false, true, batch, layer.in, layer.out, dy, layer.w, dx);
        const std::size_t n = std::size_t(batch) * layer.in;
        for (std::size_t i = 0; i < n; ++i) dx[i] = h[i] > 0.0f ? dx[i] : 0.0f;
      }
    }

    squares.empty() ? sgd() : adam();
    return loss;
  }

  void sgd() {
    float *p = parameters.data(), *v = velocities.data();
    const float* g = gradients.data();
    const std::size_t n = parameters.size();
    for (std::size_t i = 0; i < n; ++i) {
      v[i] = momentum * v[i] + g[i];
      p[i] -= lr * v[i];
    }
  }

  // The velocities are the means of the gradients.
  void adam() {
    const double beta1 = 0.9, beta2 = 0.999;
    ++steps;
    const auto rate = float(lr / (1 - std::pow(beta1, steps)));
    const auto correction = float(1 / std::sqrt(1 - std::pow(beta2, steps)));
    const float keep1 = float(beta1), take1 = float(1 - beta1), keep2 = float(beta2), take2 = float(1 - beta2);
    float *p = parameters.data(), *m = velocities.data(), *s = squares.data();
    const float* g = gradients.data();
    const std::size_t n = parameters.size();
    for (std::size_t i = 0; i < n; ++i) {
      m[i] = keep1 * m[i] + take1 * g[i];
      s[i] = keep2 * s[i] + take2 * g[i] * g[i];
      p[i] -= rate * m[i] / (std::sqrt(s[i]) * correction + 1e-8f);
    }
  }

  int batch;
  float lr, momentum;
  std::vector<Layer> layers;
  std::vector<float> parameters, gradients, velocities, squares, log_p;
  int steps = 0;
  std::vector<std::vector<float>> values, adjoints;
};

// Logistic regression, full-batch gradient descent, float64: labels are 0 or 1.
struct Logistic {
  Logistic(int features, int batch, double lr)
      : features(features), batch(batch), lr(lr), w(features), residual(batch) {}

  double step(const double* x, const double* labels) {
    scipy_cblas_dgemv(CblasRowMajor, CblasNoTrans, batch, features, 1.0, x, features, w.data(), 1, 0.0, residual.data(),
                      1);
    double loss = 0, db = 0;
    for (int i = 0; i < batch; ++i) {
      const double z = residual[i] + b;
      const double e = std::exp(-std::abs(z));  // the form that overflows nowhere
      loss += std::max(z, 0.0) - z * labels[i] + std::log(1.0 + e);
      const double p = (z >= 0 ? 1.0 : e) / (1.0 + e);
      residual[i] = (p - labels[i]) / batch;
      db += residual[i];
    }
    scipy_cblas_dgemv(CblasRowMajor, CblasTrans, batch, features, -lr, x, features, residual.data(), 1, 1.0, w.data(),
                      1);
    b -= lr * db;
    return loss / batch;
  }

  int features, batch;
  double lr, b = 0;
  std::vector<double> w, residual;
};

template <class T>
void products(bool tb, std::int64_t count, int m, int n, int k, const T* a, const T* b, T* c, std::int64_t times) {
  for (std::int64_t t = 0; t < times; ++t)
    for (std::int64_t i = 0; i < count; ++i) gemm(false, tb, m, n, k, a + i * m * k, b + i * k * n, c + i * m * n);
}

}  // namespace

extern "C" {

void* mlp_new(const int* sizes, int n_sizes, int batch, float lr, float momentum) {
  scipy_openblas_set_num_threads(1);
  return new Mlp(sizes, n_sizes, batch, lr, momentum);
}

// Parameters in the order w0, b0, w1, b1, …
float* mlp_parameters(void* mlp) { return static_cast<Mlp*>(mlp)->parameters.data(); }

float mlp_run(void* mlp, const float* x, const std::int64_t* labels, std::int64_t steps) {
  float loss = 0;
  for (std::int64_t i = 0; i < steps; ++i) loss = static_cast<Mlp*>(mlp)->step(x, labels);
  return loss;
}

// Adam instead of momentum, from now on.
void mlp_use_adam(void* mlp) {
  auto* model = static_cast<Mlp*>(mlp);
  model->squares.assign(model->parameters.size(), 0.0f);
}

void mlp_delete(void* mlp) { delete static_cast<Mlp*>(mlp); }

void* logistic_new(int features, int batch, double lr) {
  scipy_openblas_set_num_threads(1);
  return new Logistic(features, batch, lr);
}

double logistic_run(void* model, const double* x, const double* labels, std::int64_t steps) {
  double loss = 0;
  for (std::int64_t i = 0; i < steps; ++i) loss = static_cast<Logistic*>(model)->step(x, labels);
  return loss;
}

void logistic_delete(void* model) { delete static_cast<Logistic*>(model); }

void products_float32(std::int64_t count, int m, int n, int k, const float* a, const float* b, float* c,
                      std::int64_t times) {
  products(false, count, m, n, k, a, b, c, times);
}

void products_float64(std::int64_t count, int m, int n, int k, const double* a, const double* b, double* c,
                      std::int64_t times) {
  products(false, count, m, n, k, a, b, c, times);
}

// out = tanh(x * y + 1) * exp(-x * x) + y in one pass.
void chain(std::int64_t n, const float* x, const float* y, float* out, std::int64_t times) {
  for (std::int64_t t = 0; t < times; ++t)
    for (std::int64_t i = 0; i < n; ++i) out[i] = std::tanh(x[i] * y[i] + 1.0f) * std::exp(-x[i] * x[i]) + y[i];
}

float softmax_cross_entropy(int rows, int classes, const std::int64_t* labels, const float* logits, float* gradient,
                            float* scratch, std::int64_t times) {
  float loss = 0;
  for (std::int64_t t = 0; t < times; ++t) {
    // A few rows at a time, so that every pass but the first finds them in cache.
    const int block = std::max(1, 16384 / classes);
    float sum = 0;
    for (int i = 0; i < rows; i += block) {
      const int n = std::min(block, rows - i);
      float* g = gradient + std::size_t(i) * classes;
      std::memcpy(g, logits + std::size_t(i) * classes, std::size_t(n) * classes * sizeof(float));
      sum += cross_entropy(n, classes, labels + i, g, scratch) * n;
      const float scale = float(n) / rows;
      if (n != rows)
        for (std::size_t j = 0; j < std::size_t(n) * classes; ++j) g[j] *= scale;
    }
    loss = sum / rows;
  }
  return loss;
}
}
