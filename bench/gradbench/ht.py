"""ht: hand tracking, the Jacobian of the distances between measured points and a posed hand.

Of 22 bones each has a parent, a pose relative to it in rest (4 x 4), and the inverse of its absolute one. theta are a
rotation vector and a translation of the whole hand, and four angles for each of five fingers: two for its second bone,
about x and z, one for each of the next two. A bone turned by R is at A_bone = A_parent rest R; a vertex v, in rest at
b_v, is at g(sum_bone w_bone,v A_bone inverse_bone b_v), where g is the motion of the whole. The errors of a measured
point are its differences to its vertex, or, in the complicated case, to the place u of its triangle.

The Jacobian is that by theta, dense; by the places it is block diagonal, and two columns hold all blocks.

Source: GradBench, evals/ht, after ADBench, there "hand"; 544 vertices, from 100 measured points on. ADBench has a hand;
here one is drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"100 points, simple": (100, 544, 0), "1,000 points, complicated": (1000, 544, 1)}
TINY = ((4, 30, 0), (3, 20, 1))
PEERS = ("jax.jit", "PyTorch")
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19, 0)
BONES, ANGLES = len(PARENTS), 20


def turned() -> Any:
    """For each bone the places of its angles about x, z and y in a row that begins with a zero and goes on with 20."""
    found, angle = np.zeros((BONES, 3), np.int64), 1
    for finger in range(5):
        second = 4 * finger + 2
        found[second] = angle, angle + 1, 0
        found[second + 1, 0], found[second + 2, 0] = angle + 2, angle + 3
        angle += 4
    return found


def inputs(points: int, vertices: int, complicated: int) -> tuple[Any, ...]:
    """theta; places (points, 2); measured points; poses, inverse poses; vertices (4, v); weights; points' vertices."""
    rng = np.random.default_rng(0)
    poses = np.zeros((BONES, 4, 4))
    poses[:, :3, :3] = np.linalg.qr(rng.normal(size=(BONES, 3, 3)))[0]
    poses[:, :3, 3], poses[:, 3, 3] = rng.normal(size=(BONES, 3)), 1.0
    absolute = poses.copy()
    for i, parent in enumerate(PARENTS):
        if parent >= 0:
            absolute[i] = absolute[parent] @ poses[i]
    at = np.concatenate([rng.normal(size=(3, vertices)), np.ones((1, vertices))])
    weights = rng.uniform(size=(BONES, vertices)) ** 4
    corners = 3 if complicated else 1
    return (
        rng.uniform(-0.5, 0.5, 6 + ANGLES),
        rng.uniform(0.0, 0.5, (points, 2)),
        rng.normal(size=(points, 3)),
        poses,
        np.linalg.inv(absolute),
        at,
        weights / weights.sum(0),
        rng.integers(0, vertices, (points, corners)),
    )


def derivative(lib: Library, points: int, vertices: int, complicated: int) -> Any:
    xp = lib.xp
    depth = np.zeros(BONES, np.int64)
    for i, parent in enumerate(PARENTS):
        depth[i] = 0 if parent < 0 else depth[parent] + 1

    def whole(r: Any) -> Any:
        angle = xp.sqrt(xp.sum(r * r))
        x, y, z = (r[i] / angle for i in range(3))
        s, c = xp.sin(angle), xp.cos(angle)
        rows = [
            [x * x + (1.0 - x * x) * c, x * y * (1.0 - c) - z * s, x * z * (1.0 - c) + y * s],
            [x * y * (1.0 - c) + z * s, y * y + (1.0 - y * y) * c, y * z * (1.0 - c) - x * s],
            [x * z * (1.0 - c) - y * s, z * y * (1.0 - c) + x * s, z * z + (1.0 - z * z) * c],
        ]
        return xp.stack([xp.stack(row) for row in rows])

    def turns(angles: Any) -> Any:
        """Rz Ry Rx for each bone, (bones, 4, 4)."""
        sin, cos = xp.sin(angles), xp.cos(angles)
        sx, sz, sy = (sin[:, i] for i in range(3))
        cx, cz, cy = (cos[:, i] for i in range(3))
        zero, one = xp.zeros_like(sx), xp.ones_like(sx)
        rows = [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx, zero],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx, zero],
            [-sy, cy * sx, cy * cx, zero],
            [zero, zero, zero, one],
        ]
        return xp.stack([xp.stack(row, axis=1) for row in rows], axis=1)

    def posed(theta: Any, poses: Any, inverses: Any, at: Any, weights: Any) -> Any:
        angles = xp.concat([xp.zeros_like(theta[:1]), theta[6:]])[xp.asarray(turned())]
        relative = poses @ turns(angles)
        levels, places = [relative[:1]], {0: (0, 0)}
        for level in range(1, int(depth.max()) + 1):
            bones = np.flatnonzero(depth == level)
            above = np.array([places[PARENTS[b]][1] for b in bones])
            levels.append(levels[-1][xp.asarray(above)] @ relative[xp.asarray(bones)])
            places |= {int(b): (level, i) for i, b in enumerate(bones)}
        order = np.argsort(np.concatenate([np.flatnonzero(depth == k) for k in range(len(levels))]))
        moves = xp.concat(levels)[xp.asarray(order)] @ inverses
        blended = xp.reshape(weights.T @ xp.reshape(moves[:, :3], (BONES, 12)), (-1, 3, 4))
        still = xp.sum(blended * at.T[:, None], axis=2)
        return still @ whole(theta[:3]).T + theta[3:6]

    def errors(theta: Any, u: Any, measured: Any, corners: Any, *hand: Any) -> Any:
        vertices = posed(theta, *hand)
        if not complicated:
            return measured - vertices[corners[:, 0]]
        a, b, c = (vertices[corners[:, i]] for i in range(3))
        return measured - (u[:, :1] * a + u[:, 1:] * b + (1.0 - u[:, :1] - u[:, 1:]) * c)

    def jacobian(theta: Any, u: Any, measured: Any, poses: Any, inverses: Any, at: Any, w: Any, corners: Any) -> Any:
        rest = measured, corners, poses, inverses, at, w
        if not complicated:
            return lib.jacfwd(lambda theta: errors(theta, u, *rest))(theta)
        # An error reads its own place alone: moving all of them together finds all blocks.
        moved = xp.concat([xp.zeros_like(theta[:2]), theta])
        return lib.jacfwd(lambda moved: errors(moved[2:], u + moved[:2], *rest))(moved)

    return jacobian


def reference(points: int, vertices: int, complicated: int) -> Any:
    """By the complex step, one bone, one vertex and one point after the other."""
    theta, u, measured, poses, inverses, at, weights, corners = inputs(points, vertices, complicated)

    def about(axis: int, angle: Any) -> Any:
        found = np.eye(3, dtype=complex)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        found[i, i] = found[j, j] = np.cos(angle)
        found[j, i] = np.sin(angle)
        found[i, j] = -found[j, i]
        return found

    def errors(theta: Any, u: Any) -> Any:
        absolute: list[Any] = []
        for i, (pose, (x, z, y)) in enumerate(zip(poses, np.append(0.0, theta[6:])[turned()], strict=True)):
            turn = np.eye(4, dtype=complex)
            turn[:3, :3] = about(2, z) @ about(1, y) @ about(0, x)
            absolute.append((absolute[PARENTS[i]] if PARENTS[i] >= 0 else np.eye(4)) @ pose @ turn)
        r = theta[:3]
        angle = np.sqrt((r * r).sum())
        a, b, c = r / angle
        cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
        motion = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross

        def vertex(v: int) -> Any:
            still = sum(w * (m @ i @ at[:, v]) for w, m, i in zip(weights[:, v], absolute, inverses, strict=True))
            return motion @ still[:3] + theta[3:6]

        shares = [(p, q, 1.0 - p - q) for p, q in u] if complicated else [(1.0,)] * points
        seen = [
            sum(s * vertex(v) for s, v in zip(share, three, strict=True))
            for share, three in zip(shares, corners, strict=True)
        ]
        return measured - np.array(seen)

    columns = []
    for i in range(2 if complicated else 0):
        moved = u.astype(complex)
        moved[:, i] += 1e-30j
        columns.append(errors(theta.astype(complex), moved).imag / 1e-30)
    for i in range(len(theta)):
        moved = theta.astype(complex)
        moved[i] += 1e-30j
        columns.append(errors(moved, u).imag / 1e-30)
    return np.stack(columns, axis=2)
