"""Golden values of the Darcy solver, by a sparse direct solver.

    python3 -m venv VENV && VENV/bin/pip install numpy scipy
    VENV/bin/python tests/golden/darcy/make.py > tests/golden/darcy/solutions.json

Three fixed coefficient fields, by integer formulas that tests/it/darcy.rs repeats, on 85 and 421 points per axis; 5-point
finite volumes with the mean of the two nodes on each face, f = 1, u = 0 on the border; scipy.sparse.linalg.spsolve.
"""
import json
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve


def coefficient(field, n):
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    if field == 0:  # unequal checkerboard
        high = (i // (n // 7 + 1) + j // (n // 5 + 1)) % 2 == 1
    elif field == 1:  # ellipse
        high = (2 * i - (n - 1)) ** 2 + 2 * (2 * j - (n - 1)) ** 2 <= (n - 1) ** 2
    else:  # scattered blocks
        bi, bj = i * 16 // n, j * 16 // n
        high = (bi * 73 + bj * 151 + bi * bj * 31) % 7 < 3
    return np.where(high, 12.0, 3.0)


def solve(a):
    n = a.shape[0]
    m = n - 2
    east = 0.5 * (a[1:-1, :-1] + a[1:-1, 1:])  # (m, n-1)
    south = 0.5 * (a[:-1, 1:-1] + a[1:, 1:-1])  # (n-1, m)
    index = np.arange(m * m).reshape(m, m)
    diagonal = east[:, :-1] + east[:, 1:] + south[:-1] + south[1:]
    rows = [index.ravel(), index[:, :-1].ravel(), index[:, 1:].ravel(), index[:-1].ravel(), index[1:].ravel()]
    cols = [index.ravel(), index[:, 1:].ravel(), index[:, :-1].ravel(), index[1:].ravel(), index[:-1].ravel()]
    vals = [diagonal.ravel(), -east[:, 1:-1].ravel(), -east[:, 1:-1].ravel(), -south[1:-1].ravel(), -south[1:-1].ravel()]
    matrix = sp.csc_matrix((np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))), shape=(m * m, m * m))
    u = np.zeros((n, n))
    u[1:-1, 1:-1] = spsolve(matrix, np.full(m * m, 1.0 / (n - 1) ** 2)).reshape(m, m)
    return u


cases = []
for n in (85, 421):
    for field in range(3):
        a = coefficient(field, n)
        u = solve(a)
        points = [(1 + 37 * k * k % (n - 2), 1 + 53 * k % (n - 2)) for k in range(50)]
        cases.append({
            "n": n, "field": field, "high": int((a == 12).sum()),
            "norm": float(np.sqrt((u * u).sum())), "max": float(u.max()), "sum": float(u.sum()),
            "points": [[i, j, float(u[i, j])] for i, j in points],
        })
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
