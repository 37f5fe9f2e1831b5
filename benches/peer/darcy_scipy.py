"""Darcy fields per second with scipy, beside `cargo bench --bench darcy_solver`.

    python3 -m venv VENV && VENV/bin/pip install numpy scipy
    VENV/bin/python benches/peer/darcy_scipy.py [FIELDS]

Draws the coefficient (scipy.fft.idctn) and solves the same finite-volume system three ways: sparse LU (spsolve), conjugate
gradients with a diagonal preconditioner, and conjugate gradients with a sine-transform preconditioner (scipy.fft.dstn), both
to relative residual 1e-8.
"""
import sys
import time

import numpy as np
import scipy.fft
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, cg, spsolve


def draw(n, random):
    k = np.arange(n)
    wave = np.pi**2 * (k[:, None] ** 2 + k[None, :] ** 2) + 9
    modes = n * 3.0 / wave * random.standard_normal((n, n))
    modes[0, 0] = 0
    return np.where(scipy.fft.idctn(modes, norm="ortho") >= 0, 12.0, 3.0)


def system(a):
    n = a.shape[0]
    m = n - 2
    east = 0.5 * (a[1:-1, :-1] + a[1:-1, 1:])
    south = 0.5 * (a[:-1, 1:-1] + a[1:, 1:-1])
    diagonal = (east[:, :-1] + east[:, 1:] + south[:-1] + south[1:]).ravel()
    right = np.zeros((m, m))
    right[:, :-1] = -east[:, 1:-1]
    down = -south[1:-1].ravel()
    matrix = sp.diags([diagonal, right.ravel()[:-1], right.ravel()[:-1], down, down], [0, 1, -1, m, -m], format="csc")
    return matrix, np.full(m * m, 1.0 / (n - 1) ** 2)


def main():
    fields = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    print(f"{'grid':>5} {'method':>14} {'fields':>7} {'fields/s':>10} {'residual':>9}")
    for n in (85, 421):
        m = n - 2
        eigen = 2 - 2 * np.cos(np.pi * np.arange(1, m + 1) / (m + 1))
        eigen = eigen[:, None] + eigen[None, :]

        def poisson(r):
            return scipy.fft.idstn(scipy.fft.dstn(r.reshape(m, m), type=1) / eigen, type=1).ravel()

        inverse = LinearOperator((m * m, m * m), matvec=poisson)
        methods = {
            "spsolve": lambda A, b: spsolve(A, b),
            "cg diagonal": lambda A, b: cg(A, b, rtol=1e-8, M=sp.diags(1 / A.diagonal()))[0],
            "cg sine": lambda A, b: cg(A, b, rtol=1e-8, M=inverse)[0],
        }
        for name, method in methods.items():
            random = np.random.default_rng(0)
            seconds, worst = 0.0, 0.0
            for index in range(fields + 1):
                start = time.perf_counter()
                A, b = system(draw(n, random))
                u = method(A, b)
                if index > 0:  # the first one warms up
                    seconds += time.perf_counter() - start
                worst = max(worst, np.linalg.norm(b - A @ u) / np.linalg.norm(b))
            print(f"{n:>5} {name:>14} {fields:>7} {fields / seconds:>10.2f} {worst:>9.1e}", flush=True)


main()
