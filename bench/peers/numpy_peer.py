"""NumPy and SciPy on the cases of `exolam bench --peers` (bench/peers.ts), as one writes them down with these libraries.

    python3 numpy_peer.py SECONDS < tasks

A task is a line of tab-separated fields: case, kind, n, m, items, the file of its input. For each way of doing it, one
line of JSON is written: processor and wall time of one item, and the figures of the first few items.
"""

import json
import sys
import time

import numpy as np

try:
    import scipy
    import scipy.linalg as sl
    import scipy.stats
except ImportError:
    scipy = None

FEW = 8


def eigenproblem(n, m, items, data):
    a = data.reshape(items, n, n)
    yield "NumPy", "linalg.eigh, batched", lambda k: np.linalg.eigh(a[:k]), lambda r: r[0][:, ::-1]


def cholesky(n, m, items, data):
    a, b = np.split(data, [items * n * n])
    a, b = a.reshape(items, n, n), b.reshape(items, n, m)
    unchecked = {"check_finite": False}

    def factor_and_solve(k):
        return [sl.cho_solve(sl.cho_factor(a[i], lower=True, **unchecked), b[i], **unchecked) for i in range(k)]

    def batched_factor(k):
        factors = np.linalg.cholesky(a[:k])
        return [sl.cho_solve((factors[i], True), b[i], **unchecked) for i in range(k)]

    def triangles(k):
        factors = np.linalg.cholesky(a[:k])
        halves = [sl.solve_triangular(factors[i], b[i], lower=True, **unchecked) for i in range(k)]
        return [sl.solve_triangular(factors[i], halves[i], lower=True, trans=1, **unchecked) for i in range(k)]

    yield "NumPy", "linalg.solve, batched", lambda k: np.linalg.solve(a[:k], b[:k]), np.asarray
    if scipy:
        yield "SciPy", "cho_factor and cho_solve", factor_and_solve, np.asarray
        yield "SciPy", "np.linalg.cholesky batched, cho_solve", batched_factor, np.asarray
        yield "SciPy", "np.linalg.cholesky batched, solve_triangular twice", triangles, np.asarray


def moments(n, m, items, data):
    x, mean = data[: items * n].reshape(items, n), data[items * n :]

    def product(k):
        centred = x[:k] - mean
        return centred.T @ centred

    def about_the_given_mean(cov_and_rows):
        cov, k = cov_and_rows
        shift = x[:k].mean(axis=0) - mean
        return cov * (k - 1) + k * np.outer(shift, shift)

    yield "NumPy", "centred.T @ centred", product, np.asarray
    yield "NumPy", "cov", lambda k: (np.cov(x[:k], rowvar=False), k), about_the_given_mean


def closed_form(n, m, items, world):
    """closedForm of bench/closed-form.ts on the observation itself; docs/theory.md, section 1."""
    E, Ba = np.array(world["mixing"]), world["actionScale"] * np.array(world["actionEffect"])
    ds, dx, da, dz = world["endogenousDim"], world["exogenousDim"], world["actionDim"], world["latentDim"]
    noise, policy = world["sensorNoise"] ** 2, world["policyNoise"]
    gains = np.array(world["stateFeedbackGain"]), np.array(world["exogenousFeedbackGain"])

    def one(exogenous_scale, solve, eigh):
        K = np.hstack([world["stateFeedback"] * gains[0], world["exogenousFeedback"] * gains[1]])
        F = np.diag([world["endogenousDecay"]] * ds + [world["exogenousDecay"]] * dx)
        F[:ds] += Ba @ K
        G = np.vstack([policy * Ba, np.zeros((dx, da))])
        next_state = F @ F.T + G @ G.T
        next_state += np.diag([world["processNoise"] ** 2] * ds + [exogenous_scale**2] * dx)

        S_oo = E @ E.T + noise * np.eye(n)
        S_po = E @ F @ E.T
        S_pp = E @ next_state @ E.T + noise * np.eye(n)
        targets = [
            (K @ K.T + policy**2 * np.eye(da), K, K @ F.T + policy * G.T),
            (next_state[ds:, ds:], F[ds:], next_state[ds:]),
        ]
        crossed = [with_state @ E.T for _, with_state, _ in targets]
        # One factorisation for every right side.
        solved = solve(S_oo, np.hstack([S_po.T, *(c.T for c in crossed)]))
        gamma = solved[:, :n].T
        innovation = S_pp - gamma @ S_po.T
        w, V = eigh(innovation)

        explained, at = [], n
        for (own, _, with_next), c in zip(targets, crossed):
            left_open = np.trace(own) - np.sum(c.T * solved[:, at : at + len(c)])
            latent = (with_next @ E.T - c @ gamma.T) @ V
            explained.append(np.sum(latent**2 / w) / left_open)
            at += len(c)
        return np.trace(innovation) - w.sum(), 1 - explained[0], explained[1]

    def numpy_eigh(a):
        w, V = np.linalg.eigh(a)
        return w[-dz:], V[:, -dz:]

    def scipy_solve(a, b):
        return sl.cho_solve(sl.cho_factor(a, lower=True, check_finite=False), b, check_finite=False)

    def scipy_eigh(a):
        return sl.eigh(a, subset_by_index=[n - dz, n - 1], driver="evr", check_finite=False)

    scales = world["exogenousScales"]
    each = lambda solve, eigh: lambda k: [one(scale, solve, eigh) for scale in scales[:k]]
    yield "NumPy", "linalg.solve, linalg.eigh", each(np.linalg.solve, numpy_eigh), np.asarray
    if scipy:
        yield "SciPy", "cho_solve, eigh of the leading eigenvectors", each(scipy_solve, scipy_eigh), np.asarray


def normals(dtype):
    def ways(n, m, items, data):
        generator = np.random.Generator(np.random.Philox(1))
        out = np.empty(min(n, items), dtype)

        def pieces(k):
            for _ in range(0, k, out.size):
                generator.standard_normal(out=out, dtype=dtype)

        yield "NumPy", f"Generator(Philox), {out.size} at a time", pieces, None

    return ways


def wishart(n, m, items, data):
    """Second moments of data[0] transitions: a Wishart matrix of n sources, and m variables that load on them."""
    if not scipy:
        return
    degrees, generator = data[0], np.random.default_rng(1)
    loadings = generator.standard_normal((m, n)) if m else None

    def draw(k):
        w = scipy.stats.wishart.rvs(degrees, np.eye(n), size=k, random_state=generator) / degrees
        return loadings @ w @ loadings.T if m else w

    yield "SciPy", f"stats.wishart.rvs, n = {n}" + (", loadings @ w @ loadings.T" if m else ""), draw, None


def product(dtype):
    def ways(n, m, items, data):
        a, b = data.astype(dtype).reshape(2, n, n)
        c = np.empty_like(a)

        def rounds(k):
            for _ in range(k):
                np.matmul(a, b, out=c)
            return c

        yield "NumPy", "matmul", rounds, np.asarray

    return ways


KINDS = {
    "eigenproblem": eigenproblem,
    "cholesky": cholesky,
    "moments": moments,
    "closed-form": closed_form,
    "normals-f64": normals(np.float64),
    "normals-f32": normals(np.float32),
    "wishart": wishart,
    "product-f64": product(np.float64),
    "product-f32": product(np.float32),
}


def measured(run, items, seconds):
    """The least processor time, and the least and median wall time, of one item."""
    run(items)
    cpu, wall = [], []
    end = time.perf_counter() + seconds
    while len(cpu) < 3 or time.perf_counter() < end:
        clock, processor = time.perf_counter(), time.process_time()
        run(items)
        cpu.append(time.process_time() - processor)
        wall.append(time.perf_counter() - clock)
    return {
        "seconds": min(cpu) / items,
        "wall": min(wall) / items,
        "wallMedian": float(np.median(wall)) / items,
        "items": items,
        "samples": len(cpu),
    }


def blas():
    """Which BLAS this NumPy has; those before 1.25 do not tell."""
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f" with {found['name']} {found['version']}"
    except (TypeError, KeyError):
        return ""


def main():
    print(json.dumps({"peer": "NumPy", "version": np.__version__ + blas()}))
    if scipy:
        print(json.dumps({"peer": "SciPy", "version": scipy.__version__}))
    for line in sys.stdin:
        case, kind, n, m, items, path = line.rstrip("\n").split("\t")
        n, m, items = int(n), int(m), int(items)
        if kind not in KINDS:
            continue
        if path.endswith(".json"):
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
        else:
            data = np.fromfile(path)
        for peer, detail, run, figures in KINDS[kind](n, m, items, data):
            found = figures(run(min(FEW, items))).ravel().tolist() if figures else None
            times = measured(run, items, float(sys.argv[1]))
            print(json.dumps({"case": case, "peer": peer, "detail": detail, **times, "figures": found}), flush=True)


main()
