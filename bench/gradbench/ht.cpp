// Column by column: an angle moves the bones below its own, and only what hangs on them.
#include <algorithm>
#include <cmath>
#include <vector>

#include "by_hand.h"

namespace {

constexpr int kBones = 22, kAngles = 20, kTheta = 6 + kAngles;

// The upper three rows of a 4 x 4 matrix whose last is (0, 0, 0, 1), or (0, 0, 0, 0) for a slope.
struct Pose {
  double m[3][4] = {};
};

Pose read(const double* a) {
  Pose p;
  std::copy_n(a, 12, p.m[0]);
  return p;
}

// `last` is the fourth number of b's last row.
Pose product(const Pose& a, const Pose& b, double last = 1) {
  Pose c;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) {
      double sum = j == 3 ? a.m[i][3] * last : 0;
      for (int k = 0; k < 3; ++k) sum += a.m[i][k] * b.m[k][j];
      c.m[i][j] = sum;
    }
  return c;
}

// Rz Ry Rx, or its slope by one of the three, 0 to 2 for x, z and y.
Pose turn(const double* xzy, int by = -1) {
  double s[3], c[3];
  for (int i = 0; i < 3; ++i) {
    s[i] = std::sin(xzy[i]), c[i] = std::cos(xzy[i]);
    if (i == by) {
      const double keep = s[i];
      s[i] = c[i], c[i] = -keep;
    }
  }
  const double one[3] = {by == 0 ? 0. : 1., by == 1 ? 0. : 1., by == 2 ? 0. : 1.};
  Pose x, y, z;
  x.m[0][0] = one[0], x.m[1][1] = x.m[2][2] = c[0], x.m[2][1] = s[0], x.m[1][2] = -s[0];
  z.m[2][2] = one[1], z.m[0][0] = z.m[1][1] = c[1], z.m[1][0] = s[1], z.m[0][1] = -s[1];
  y.m[1][1] = one[2], y.m[0][0] = y.m[2][2] = c[2], y.m[0][2] = s[2], y.m[2][0] = -s[2];
  return product(product(z, y, 0), x, 0);
}

// The rotation about r, and its slopes by r.
void rotation(const double* r, double out[3][3], double slopes[3][3][3]) {
  const double angle = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]), s = std::sin(angle), c = std::cos(angle);
  const double a[3] = {r[0] / angle, r[1] / angle, r[2] / angle};
  const auto cross = [](const double* a, int i, int j) {  // a x e_j, item i
    return i == j ? 0.0 : (j - i + 3) % 3 == 1 ? -a[3 - i - j] : a[3 - i - j];
  };
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      const double same = i == j, outer = a[i] * a[j];
      out[i][j] = outer + (same - outer) * c + cross(a, i, j) * s;
      for (int k = 0; k < 3; ++k) {
        const double d[3] = {((k == 0) - a[0] * a[k]) / angle, ((k == 1) - a[1] * a[k]) / angle,
                             ((k == 2) - a[2] * a[k]) / angle};
        const double douter = d[i] * a[j] + a[i] * d[j];
        slopes[k][i][j] = douter * (1 - c) - (same - outer) * s * a[k] + cross(d, i, j) * s + cross(a, i, j) * c * a[k];
      }
    }
}

}  // namespace

BY_HAND(ht) {
  const std::int64_t points = call.sizes[0], vertices = call.sizes[1], complicated = call.sizes[2];
  const double *theta = call[0], *u = call[1], *rest = call[3], *inverse = call[4], *at = call[5], *weights = call[6];
  const std::int64_t* corners = call.integers(7);
  double* out = call.results[0];

  double angles[kBones][3] = {};
  int bone_of[kAngles], which[kAngles];
  for (int finger = 0, k = 0; finger < 5; ++finger)
    for (int joint = 0; joint < 3; ++joint)
      for (int z = 0; z < (joint == 0 ? 2 : 1); ++z, ++k) {
        bone_of[k] = 4 * finger + 2 + joint, which[k] = z;
        angles[bone_of[k]][z] = theta[6 + k];
      }
  const auto parent = [](int bone) { return bone == 0 ? -1 : bone % 4 == 1 ? 0 : bone - 1; };
  Pose absolute[kBones], move[kBones];
  for (int b = 0; b < kBones; ++b) {
    const Pose relative = product(read(rest + 16 * b), turn(angles[b]));
    absolute[b] = b == 0 ? relative : product(absolute[parent(b)], relative);
    move[b] = product(absolute[b], read(inverse + 16 * b));
  }
  double motion[3][3], slopes[3][3][3];
  rotation(theta, motion, slopes);

  // Places (v, 3) and their slopes (v, 3, 26), of all vertices.
  std::vector<double> place(vertices * 3), by(vertices * 3 * kTheta), still(vertices * 3);
  const auto add = [&](const Pose& p, int b, double* to, std::int64_t stride) {
    for (std::int64_t v = 0; v < vertices; ++v) {
      const double w = weights[b * vertices + v];
      for (int i = 0; i < 3; ++i) {
        double sum = 0;
        for (int j = 0; j < 4; ++j) sum += p.m[i][j] * at[j * vertices + v];
        to[v * stride + i] += w * sum;
      }
    }
  };
  const auto rotated = [&](const double (&r)[3][3], const double* from, int column) {
    for (std::int64_t v = 0; v < vertices; ++v)
      for (int i = 0; i < 3; ++i)
        by[(v * 3 + i) * kTheta + column] =
            r[i][0] * from[3 * v] + r[i][1] * from[3 * v + 1] + r[i][2] * from[3 * v + 2];
  };
  for (int b = 0; b < kBones; ++b) add(move[b], b, still.data(), 3);
  for (std::int64_t v = 0; v < vertices; ++v)
    for (int i = 0; i < 3; ++i) {
      place[3 * v + i] = theta[3 + i];
      for (int j = 0; j < 3; ++j) place[3 * v + i] += motion[i][j] * still[3 * v + j];
      by[(v * 3 + i) * kTheta + 3 + i] = 1;
    }
  for (int k = 0; k < 3; ++k) rotated(slopes[k], still.data(), k);
  std::vector<double> moved(vertices * 3);
  for (int k = 0; k < kAngles; ++k) {
    const int first = bone_of[k], last = first / 4 * 4 + (first % 4 == 0 ? 0 : 4);  // the finger's fourth bone
    std::fill(moved.begin(), moved.end(), 0.0);
    Pose slope =
        product(absolute[parent(first)], product(read(rest + 16 * first), turn(angles[first], which[k]), 0), 0);
    for (int b = first;; ++b) {
      if (b != first) slope = product(slope, product(read(rest + 16 * b), turn(angles[b])));
      add(product(slope, read(inverse + 16 * b)), b, moved.data(), 3);
      if (b == last) break;
    }
    rotated(motion, moved.data(), 6 + k);
  }

  const std::int64_t columns = kTheta + (complicated ? 2 : 0);
  for (std::int64_t p = 0; p < points; ++p)
    for (int i = 0; i < 3; ++i) {
      double* row = out + (p * 3 + i) * columns;
      if (!complicated) {
        for (int k = 0; k < kTheta; ++k) row[k] = -by[(corners[p] * 3 + i) * kTheta + k];
        continue;
      }
      const std::int64_t* c = corners + 3 * p;
      const double s = u[2 * p], t = u[2 * p + 1], r = 1 - s - t;
      row[0] = place[3 * c[2] + i] - place[3 * c[0] + i];
      row[1] = place[3 * c[2] + i] - place[3 * c[1] + i];
      const double *x = &by[(c[0] * 3 + i) * kTheta], *y = &by[(c[1] * 3 + i) * kTheta],
                   *z = &by[(c[2] * 3 + i) * kTheta];
      for (int k = 0; k < kTheta; ++k) row[2 + k] = -(s * x[k] + t * y[k] + r * z[k]);
    }
}
