"""A plain GGL step, and Poynting-Robertson drag written out by hand, for comparison.

`xp` is numpy or jax.numpy. Nothing here is derived by lagc; the tableau alone is shared.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lagc.runtime.tableau import tableau

GM, C, BETA = 39.478758435, 63241.3, 0.01153812
START = (0.8, 0.0, 0.0, 7.6508086)
C_SOURCE = Path(__file__).with_name("poynting_robertson.c")

Force = Callable[[Any, Any], tuple[Any, Any, Any]]


def drag_force(q: Any, v: Any, beta: Any = BETA, xp: Any = np) -> tuple[Any, Any, Any]:
    """a, a_q and a_v: (..., 2) and (..., 2, 2), of q and v (..., 2); b = v."""
    mu, k = (1 - beta) * GM, beta * GM / C
    inverse = 1 / xp.sum(q * q, axis=-1)
    s2, s3, s4 = inverse, inverse * xp.sqrt(inverse), inverse * inverse
    vq = xp.sum(v * q, axis=-1)
    radial, drag = -mu * s3 - k * vq * s4, -k * s2
    eye = xp.eye(2, dtype=q.dtype).reshape((1,) * (q.ndim - 1) + (2, 2))

    def vector(x: Any) -> Any:
        return x[..., None]

    def matrix(x: Any) -> Any:
        return x[..., None, None]

    def outer(x: Any, y: Any) -> Any:
        return x[..., :, None] * y[..., None, :]

    a = vector(radial) * q + vector(drag) * v
    a_q = matrix(radial) * eye + matrix(3 * mu * s3 * s2 + 4 * k * vq * s4 * s2) * outer(q, q)
    a_q = a_q + matrix(k * s4) * (2 * outer(v, q) - outer(q, v))
    a_v = matrix(drag) * eye - matrix(k * s4) * outer(q, q)
    return a, a_q, a_v


def ggl_step(
    force: Force, q: Any, p: Any, h: float, r: int, iterations: int = 3, xp: Any = np
) -> tuple[Any, Any]:
    """q and p: (d,), after one step of a system with b = v, by full Newton from free motion."""
    table = tableau(r)
    w, d = xp.asarray(table.weights, q.dtype), xp.asarray(table.differentiation, q.dtype)
    nodes, dof = r + 2, q.shape[0]
    eye = xp.eye(nodes, dtype=q.dtype)
    u = (1 + xp.asarray(table.nodes, q.dtype))[:, None] * (h / 2 * p)[None, :]
    kinetic = xp.einsum("j,ji,jk,st->iskt", 2 / h * w, d, d, xp.eye(dof, dtype=q.dtype))
    for _ in range(iterations):
        v = 2 / h * (d @ u)
        a, a_q, a_v = force(q[None] + u, v)
        rows = h / 2 * w[:, None] * a + d.T @ (w[:, None] * v)
        rows = rows + eye[0][:, None] * p[None]
        jacobian = kinetic + xp.einsum("i,ik,ist->iskt", h / 2 * w, eye, a_q)
        jacobian = jacobian + xp.einsum("i,ik,ist->iskt", w, d, a_v)
        size = (r + 1) * dof
        matrix = jacobian[:-1, :, 1:].reshape(size, size)
        change = xp.linalg.solve(matrix, rows[:-1].reshape(size, 1)).reshape(r + 1, dof)
        u = u - xp.concatenate([xp.zeros_like(u[:1]), change])
    a, _, _ = force(q[None] + u, 2 / h * (d @ u))
    return q + u[-1], p + h / 2 * xp.sum(w[:, None] * a, axis=0)


def reference_orbit(steps: int, h: float, r: int = 1) -> NDArray[np.float64]:
    """x, y, px, py at the end of a run of the example in NumPy."""
    q, p = np.array(START[:2]), np.array(START[2:])
    for _ in range(steps):
        q, p = ggl_step(drag_force, q, p, h, r)
    return np.concatenate([q, p])


def compile_c(folder: Path) -> Path | None:
    """The C program, compiled by `gcc -O2`; None without gcc."""
    if shutil.which("gcc") is None:
        return None
    program = folder / "poynting_robertson"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", program, C_SOURCE, "-lm"]
    subprocess.run(command, check=True)
    return program


def run_c(program: Path, steps: int, h: float) -> tuple[float, NDArray[np.float64], float]:
    """Nanoseconds a step, x y px py at the end, and the largest residual left."""
    arguments = [str(steps), *(repr(x) for x in (h, GM, C, BETA, *START))]
    done = subprocess.run([program, *arguments], check=True, capture_output=True, text=True)
    time, end, left = done.stdout.splitlines()
    return float(time), np.array([float(x) for x in end.split()]), float(left)
