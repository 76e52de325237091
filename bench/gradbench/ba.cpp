#include <cmath>

#include "by_hand.h"

namespace {

struct Vector {
  double x, y, z;
};
Vector operator+(Vector a, Vector b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
Vector operator-(Vector a, Vector b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
Vector operator*(double s, Vector a) { return {s * a.x, s * a.y, s * a.z}; }
double dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
Vector cross(Vector a, Vector b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }

// Two rows of 15: by the camera's 11, the point's 3 and the weight.
void observe(const double* camera, const double* point, double weight, const double* feature, double* out) {
  const Vector unit[3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  const Vector r{camera[0], camera[1], camera[2]}, y{point[0] - camera[3], point[1] - camera[4], point[2] - camera[5]};
  Vector v, by_r[3], by_y[3];
  const double angle = std::sqrt(dot(r, r));
  if (angle == 0) {
    v = y + cross(r, y);
    for (int i = 0; i < 3; ++i) by_r[i] = cross(unit[i], y), by_y[i] = unit[i] + cross(r, unit[i]);
  } else {
    const double cos = std::cos(angle), sin = std::sin(angle);
    const Vector a = (1 / angle) * r, turned = cross(a, y);
    const double along = dot(a, y), slopes[3] = {a.x, a.y, a.z};
    v = cos * y + sin * turned + (along * (1 - cos)) * a;
    for (int i = 0; i < 3; ++i) {
      const Vector da = (1 / angle) * (unit[i] - slopes[i] * a);
      by_r[i] = slopes[i] * (cos * turned - sin * y + (along * sin) * a) + sin * cross(da, y) +
                (1 - cos) * (along * da + dot(da, y) * a);
      by_y[i] = cos * unit[i] + sin * cross(a, unit[i]) + (slopes[i] * (1 - cos)) * a;
    }
  }
  const double f = camera[6], k1 = camera[9], k2 = camera[10], d[2] = {v.x / v.z, v.y / v.z};
  const double s = d[0] * d[0] + d[1] * d[1], stretch = 1 + k1 * s + k2 * s * s, slope = 2 * (k1 + 2 * k2 * s);
  for (int i = 0; i < 2; ++i) {
    double* row = out + 15 * i;
    const double by_0 = f * (d[i] * slope * d[0] + (i == 0 ? stretch : 0));
    const double by_1 = f * (d[i] * slope * d[1] + (i == 1 ? stretch : 0));
    const Vector by_v{by_0 / v.z, by_1 / v.z, -(by_0 * d[0] + by_1 * d[1]) / v.z};
    for (int j = 0; j < 3; ++j) {
      row[j] = weight * dot(by_v, by_r[j]);
      row[11 + j] = weight * dot(by_v, by_y[j]);
      row[3 + j] = -row[11 + j];
    }
    row[6] = weight * d[i] * stretch;
    row[7] = i == 0 ? weight : 0;
    row[8] = i == 1 ? weight : 0;
    row[9] = weight * f * d[i] * s;
    row[10] = weight * f * d[i] * s * s;
    row[14] = f * d[i] * stretch + camera[7 + i] - feature[i];
  }
}

}  // namespace

BY_HAND(ba) {
  const std::int64_t p = call.sizes[2], *camera = call.integers(4), *point = call.integers(5);
  const double *cameras = call[0], *points = call[1], *weights = call[2], *features = call[3];
  for (std::int64_t i = 0; i < p; ++i) {
    observe(cameras + 11 * camera[i], points + 3 * point[i], weights[i], features + 2 * i, call.results[0] + 30 * i);
    call.results[1][i] = -2 * weights[i];
  }
}
