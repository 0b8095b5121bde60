"""What `exolam analyze --no-remedies --objective reconstruction` does with wide observations, in NumPy and SciPy.

    python3 wide_peer.py make FILE.npz DIM [ROWS]   a data set of 20 episodes, and FILE.npz.folds.json
    python3 wide_peer.py run FILE.npz [once]        the same steps, timed; `once`: one training set, without a choice of ridge

The steps (docs/estimates.md): second moments of [o, o', a, x'] fold by fold; the ridge of each fold among 12, judged inside
the others; for each fold, and each without another one, a Cholesky solve of o' on o, the 16 leading eigenvectors of what is
left, and probes of a and x' on the fold held out. Threads: OPENBLAS_NUM_THREADS. Prints one line of JSON.
"""

import json
import resource
import sys
import time

import numpy as np
import scipy.linalg as sl
from scipy.sparse.linalg import eigsh

GRID = [10.0 ** (i - 8) for i in range(12)]
LATENTS, FOLDS, EPISODES = 16, 5, 20
UNCHECKED = {"check_finite": False, "overwrite_b": False}


def make(path, dim, rows):
    """16 endogenous and 16 exogenous states that move by 6 actions and by themselves, mixed, with noise in each coordinate."""
    random = np.random.default_rng(0)
    mixing = np.linalg.qr(random.standard_normal((dim, 32)))[0] * np.sqrt(dim / 32)
    effect = 0.5 * np.linalg.qr(random.standard_normal((16, 6)))[0]
    found = {"obs": [], "next_obs": [], "action": [], "exogenous_next": [], "episode": []}
    seen = lambda s, x: mixing @ np.r_[s, x] + 0.1 * random.standard_normal(dim)
    for episode in range(EPISODES):
        s, x = random.standard_normal(16), 1.5 * random.standard_normal(16)
        for _ in range(rows // EPISODES):
            action = random.standard_normal(6)
            found["obs"].append(seen(s, x))
            s, x = 0.9 * s + effect @ action, 0.8 * x + 0.8 * random.standard_normal(16)
            for name, value in zip(found, [None, seen(s, x), action, x, episode]):
                if value is not None:
                    found[name].append(value)
    np.savez(path, **{name: np.array(values) for name, values in found.items()})
    with open(path + ".folds.json", "w") as file:
        json.dump([e % FOLDS for e in range(EPISODES)], file)


def covariance(sums):
    mean = sums[0] / sums[0, 0]
    c = sums / sums[0, 0]
    c -= np.outer(mean, mean)
    return mean, c


def about(sums, mean):
    return sums - np.outer(mean, sums[0]) - np.outer(sums[0], mean) + sums[0, 0] * np.outer(mean, mean)


def ridge_errors(training, held, o, n):
    mean, c = covariance(training)
    so, sn = 1 / np.sqrt(np.diag(c)[o]), 1 / np.sqrt(np.diag(c)[n])
    w, u = np.linalg.eigh(so[:, None] * c[o, o] * so)
    own = u.T @ (so[:, None] * c[o, n] * sn)
    gram = own @ own.T
    found = []
    for sums in held:
        h = about(sums, mean)
        cross = u.T @ (so[:, None] * h[o, n] * sn)
        square = u.T @ (so[:, None] * h[o, o] * so) @ u
        explained = np.einsum("ij,ij->i", own, cross)
        total = np.sum(np.diag(h)[n] * sn**2)
        inverse = [1 / (np.maximum(w, 0) + r) for r in GRID]
        found.append([total - 2 * i @ explained + i @ (square * gram) @ i for i in inverse])
    return found


def fit(training, ridge, o, n, targets):
    """The model's maps: z = D (o' - G^T o), and what o tells of the targets."""
    mean, c = covariance(training)
    s = 1 / np.sqrt(np.diag(c)[o])
    r = s[:, None] * c[o, o] * s
    r[np.diag_indices_from(r)] += ridge
    factor = sl.cho_factor(r, lower=True, overwrite_a=True, check_finite=False)
    solve = lambda b: s[:, None] * sl.cho_solve(factor, s[:, None] * b, **UNCHECKED)
    g = solve(c[o, n])
    cross = c[o, n].T @ g
    left = c[n, n] - cross - cross.T + g.T @ c[o, o] @ g
    _, d = eigsh((left + left.T) / 2, k=LATENTS, which="LA")
    forms = np.zeros((LATENTS, len(c)))
    forms[:, n], forms[:, o] = d.T, -(g @ d).T
    probes = []
    for t in targets:
        given = np.zeros((t.stop - t.start, len(c)))
        given[:, t], given[:, o] = np.eye(t.stop - t.start), -solve(c[o, t]).T
        zz, zt = forms @ c @ forms.T, forms @ c @ given.T
        gain = np.linalg.solve(zz, zt)
        probes.append((given, given - gain.T @ forms))
    return mean, probes


def judge(model, sums):
    mean, probes = model
    h = about(sums, mean)
    return [(np.einsum("ij,jk,ik", f, h, f, optimize=True), np.einsum("ij,jk,ik", e, h, e, optimize=True)) for e, f in probes]


def run(path, once):
    data = np.load(path)
    obs, after, action, exogenous, episode = (data[k] for k in ("obs", "next_obs", "action", "exogenous_next", "episode"))
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter()
    dim = obs.shape[1]
    both = np.concatenate([obs, after])
    mean, deviation = both.mean(0), both.std(0)
    del both
    fold = episode % FOLDS
    o, n = slice(1, 1 + dim), slice(1 + dim, 1 + 2 * dim)
    a = slice(n.stop, n.stop + action.shape[1])
    x = slice(a.stop, a.stop + exogenous.shape[1])
    scaled = lambda v: (v - v.mean(0)) / v.std(0)
    action = scaled(action)

    def sums_of(f):
        own = fold == f
        rows = np.concatenate(
            [np.ones((own.sum(), 1)), (obs[own] - mean) / deviation, (after[own] - mean) / deviation, action[own], exogenous[own]],
            axis=1,
        )
        return rows.T @ rows

    sums = [sums_of(f) for f in range(FOLDS)]
    total = sum(sums)
    num = np.zeros((2, 2))
    if once:
        num += judge(fit(total - sums[0], 1e-2, o, n, [a, x]), sums[0])
        ridges = [1e-2]
    else:
        errors = np.zeros((FOLDS, len(GRID)))
        for f in range(FOLDS):
            for g in range(f + 1, FOLDS):
                of_g, of_f = ridge_errors(total - sums[f] - sums[g], [sums[g], sums[f]], o, n)
                errors[f] += of_g
                errors[g] += of_f
        ridges = [next(r for r, e in zip(GRID, row) if e <= 1.1 * min(row)) for row in errors]
        for f in range(FOLDS):
            num += judge(fit(total - sums[f], ridges[f], o, n, [a, x]), sums[f])
        for f in range(FOLDS):
            for g in range(f + 1, FOLDS):
                model = fit(total - sums[f] - sums[g], ridges[f], o, n, [a, x])
                judge(model, sums[f])
                if ridges[g] != ridges[f]:
                    model = fit(total - sums[f] - sums[g], ridges[g], o, n, [a, x])
                judge(model, sums[g])
    seconds = time.perf_counter() - wall
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({
        "dim": dim, "rows": len(obs), "steps": "once" if once else "all", "wall": round(seconds, 2), "cpu": round(cpu, 2),
        "readMB": before.ru_maxrss // 1000, "peakMB": used.ru_maxrss // 1000, "jointMB": round(x.stop**2 * 8 / 1e6),
        "ridges": ridges, "actionError": num[0, 0] / num[0, 1], "futureLeakage": 1 - num[1, 0] / num[1, 1],
    }))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 6000)
    else:
        run(sys.argv[2], "once" in sys.argv[3:])
