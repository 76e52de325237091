"""ba: bundle adjustment, the sparse Jacobian of the errors with which cameras see points.

A camera has a rotation vector r, a center c, a focal length f, a principal point u and two coefficients k of
distortion. It sees the point x at p = f d (1 + k_1 |d|^2 + k_2 |d|^4) + u, where d = (v_1, v_2) / v_3 and
v = R(r) (x - c). An observation with the weight w has the errors w (p - feature) and 1 - w^2.

What is computed are the items that are not 0: for each observation 2 x 15 of the first error, by camera, point and
weight, and one of the second; their rows and columns follow from who sees what.

Source: GradBench, evals/ba, after ADBench; from 49 cameras, 7,776 points and 31,843 observations on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"3,184 observations": (49, 777, 3184), "31,843 observations": (49, 7776, 31_843)}
TINY = ((1, 1, 1), (3, 5, 12))
PEERS = ("jax.jit", "PyTorch")


def inputs(n: int, m: int, p: int) -> tuple[Any, ...]:
    """Cameras (n, 11), points (m, 3), weights, features (p, 2), and the numbers of camera and point."""
    rng = np.random.default_rng(0)
    camera = np.array([0.1, -0.2, 0.15, 0.3, -0.1, 0.2, 400.0, 3.0, -2.0, 1e-2, 1e-3])
    cameras = camera * rng.uniform(0.8, 1.2, (n, 11))
    points = np.array([0.5, -0.3, 5.0]) + rng.uniform(-0.3, 0.3, (m, 3))
    which = np.arange(p)
    return cameras, points, rng.uniform(0.5, 1.5, p), rng.uniform(-20.0, 20.0, (p, 2)), which % n, which % m


def derivative(lib: Library, n: int, m: int, p: int) -> Any:
    xp = lib.xp

    def error(*values: Any) -> Any:
        a, b, c, cx, cy, cz, f, u, v, k, l, x, y, z, weight, horizontal, vertical = values  # noqa: E741
        x, y, z = x - cx, y - cy, z - cz
        square = a * a + b * b + c * c
        still = square == 0.0
        angle = xp.sqrt(xp.where(still, 1.0, square))  # no slope of a root at 0
        cos = xp.where(still, 1.0, xp.cos(angle))
        sin = xp.where(still, 1.0, xp.sin(angle) / angle)
        along = (a * x + b * y + c * z) * xp.where(still, 0.0, (1.0 - cos) / (angle * angle))
        p = x * cos + (b * z - c * y) * sin + a * along
        q = y * cos + (c * x - a * z) * sin + b * along
        r = z * cos + (a * y - b * x) * sin + c * along
        p, q = p / r, q / r
        square = p * p + q * q
        size = f * (1.0 + k * square + l * square * square)
        return weight * (size * p + u - horizontal), weight * (size * q + v - vertical)

    def by(i: int) -> Any:
        return lib.vmap(lib.inner_grad(lambda *values: error(*values)[i], argnums=tuple(range(15))))

    of_weight = lib.vmap(lib.inner_grad(lambda w: 1.0 - w * w))

    def jacobian(cameras: Any, points: Any, weights: Any, features: Any, camera: Any, point: Any) -> Any:
        seen = cameras[camera], points[point], weights[:, None], features
        columns = [a[:, i] for a in seen for i in range(a.shape[1])]
        return xp.stack([xp.stack(by(i)(*columns), axis=1) for i in range(2)], axis=1), of_weight(weights)

    return jacobian


def reference(n: int, m: int, p: int) -> Any:
    """By the complex step, with the rotation as a matrix."""
    cameras, points, weights, features, camera, point = inputs(n, m, p)

    def error(values: Any, feature: Any) -> Any:
        r, c, f, u, k, x, w = np.split(values, [3, 6, 7, 9, 11, 14])
        angle = np.sqrt((r * r).sum())
        a, b, d = r / angle
        cross = np.array([[0, -d, b], [d, 0, -a], [-b, a, 0]])
        v = (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross) @ (x - c)
        flat = v[:2] / v[2]
        square = (flat * flat).sum()
        return w * (f * flat * (1 + k[0] * square + k[1] * square**2) + u - feature)

    found = np.zeros((p, 2, 15))
    for i in range(p):
        values = np.concatenate([cameras[camera[i]], points[point[i]], weights[i : i + 1]])
        for j in range(15):
            moved = values.astype(complex)
            moved[j] += 1e-30j
            found[i, :, j] = error(moved, features[i]).imag / 1e-30
    return found, -2.0 * weights
