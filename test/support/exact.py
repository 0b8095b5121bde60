"""Answers of theory.md sections 1 to 4 to 40 digits, for test/golden/exact/answers.json: written from the text, on the full observation.

    npx tsx test/support/exact-cases.ts | python3 test/support/exact.py > test/golden/exact/answers.json

Reads one case a line ({"name", "world", "objective", "latentDim"}), writes one JSON object with a line an answer. A variable is its
loadings on independent N(0, 1) sources. Needs numpy (for arrays of objects) and mpmath.
"""
import json, sys
import numpy as np
from mpmath import mp, mpf, matrix, log, sqrt, inf

mp.dps = 45
CUT = mpf(10) ** -10   # of every pseudo-inverse, relative to the largest eigenvalue
EXACT = mpf(10) ** -25


def arr(rows):
    return np.array([[mpf(v) for v in row] for row in rows], dtype=object)


def zeros(r, c):
    a = np.empty((r, c), dtype=object)
    a[:] = mpf(0)
    return a


def eig(a):
    """Eigenvalues descending, eigenvectors as rows."""
    w, v = mp.eigsy(matrix(a.tolist()))
    n = len(w)
    order = sorted(range(n), key=lambda i: -w[i])
    return [w[i] for i in order], np.array([[v[r, i] for r in range(n)] for i in order], dtype=object)


def whitener(x, largest=None):
    w, v = eig(x @ x.T)
    top = w[0]
    return np.array([v[i] / sqrt(w[i]) for i in range(len(w)) if w[i] > CUT * top], dtype=object).reshape(-1, len(x))


def residual(v, f):
    if len(f) == 0 or len(v) == 0:
        return v
    q = whitener(f) @ f
    return v - (v @ q.T) @ q


def basis(rows):
    """Orthonormal basis of what rows span: Gram-Schmidt with no cut but what is exactly nothing."""
    kept = []
    for row in rows:
        own = (row * row).sum()
        v = row
        for _ in range(2):
            for q in kept:
                v = v - (v * q).sum() * q
        left = (v * v).sum()
        if own > 0 and left > EXACT * own:
            kept.append(v / sqrt(left))
    return np.array(kept, dtype=object).reshape(len(kept), rows.shape[1])


def squares(a):
    return (a * a).sum() if a.size else mpf(0)


def world(c):
    m = {k: arr(v) for k, v in c["matrices"].items()}
    do, ds, dx, da = (c[k] for k in ("observationDim", "endogenousDim", "exogenousDim", "actionDim"))
    n = lambda k: mpf(c[k])
    widths = [ds, dx, da, ds, dx, dx, dx, do, do, do, do, do, do]
    off = np.concatenate([[0], np.cumsum(widths)])
    p = int(off[-1])

    def source(i, scale=mpf(1)):
        x = zeros(widths[i], p)
        for r in range(widths[i]):
            x[r, off[i] + r] = scale
        return x
    s, x, x2 = source(0), source(1, n("exogenousInitialScale")), source(5, n("exogenousInitialScale"))
    a = source(2, n("policyNoise")) + n("stateFeedback") * (m["stateFeedback"] @ s) + n("exogenousFeedback") * (m["exogenousFeedback"] @ x)
    sn = n("endogenousDecay") * s + n("actionScale") * (m["actionEffect"] @ a) + source(3, n("processNoise"))
    rho, kappa = n("actionExogenousCorrelation"), n("exogenousScale")
    w = source(4)
    for i in range(min(da, dx)):
        w[i] = sqrt(1 - rho * rho) * w[i] + rho * source(2)[i]
    xn, xn2 = n("exogenousDecay") * x + kappa * w, n("exogenousDecay") * x2 + kappa * source(6)
    es, ex, eta = m["endogenousMixing"], m["exogenousMixing"], n("sensorNoise")
    return dict(c=c, es=es, ex=ex, x=x, a=a, xn=xn, o=es @ s + ex @ x + source(7, eta), on=es @ sn + ex @ xn + source(8, eta),
                o2=es @ s + ex @ x2 + source(9, eta), on2=es @ sn + ex @ xn2 + source(10, eta), n1=source(11), n2=source(12))


def solve(w, spec, k):
    """(loss, spectrum, C, D)"""
    kind, do = spec["kind"], w["c"]["observationDim"]
    o, on, o2, on2 = w["o"], w["on"], w["o2"], w["on2"]
    none = zeros(0, o.shape[1])
    proj, gauge, extra = None, True, []
    if kind == "reconstruction" and spec.get("decoder") == "identity":
        y, f, e, blocks, gauge = on - o, none, on - o, [(-1, 1)], False
    elif kind == "cross-exogenous":
        y, f, e, blocks, gauge = on2, o2, np.vstack([o, on]), [(1, 0), (0, 1)], False
    elif kind == "augmented":
        ne, nd = mpf(spec["encoderNoise"]), mpf(spec["decoderNoise"])
        big = lambda v, i, j: np.hstack([v, *[(j if t == i else 0) * arr(np.eye(do)) for t in range(3)]])
        y, f = big(on, 1, nd), big(o, 1, nd)
        e = np.vstack([np.hstack([v, arr(np.eye(do)) * 0, arr(np.eye(do)) * 0, arr(np.eye(do)) * 0]) for v in (o, on)])
        # one draw n1 for o and o' both (theory.md section 3)
        e[:, -3 * do:-2 * do] = np.vstack([ne * arr(np.eye(do))] * 2)
        blocks, gauge = [(1, 0), (0, 1)], False
    else:
        if kind == "representation":
            proj = arr(spec["projection"])
            y, f = proj @ on, proj @ o
        else:
            y, f = on, o
        e, blocks = y, [(0, 1)]
        if kind == "action-supervised":
            y = np.vstack([y, sqrt(mpf(spec["weight"]) * mpf(spec["labelFraction"])) * w["a"]])
    yr, er = residual(y, f), residual(e, f)
    see = er @ er.T
    if kind == "exogenous-robust":
        moved = residual(on - on2, o - o2)
        see = see + mpf(spec["weight"]) * (moved @ moved.T)
    ew, ev = eig(see)
    pinv = zeros(len(see), len(see))
    for i, value in enumerate(ew):
        if value > CUT * ew[0]:
            pinv = pinv + np.outer(ev[i], ev[i]) / value
    sye = yr @ er.T
    regress = sye @ pinv
    lam, b = eig(regress @ sye.T)
    rank = sum(1 for v in lam if v > CUT * lam[0])
    loss = squares(yr) - sum(lam[:min(k, rank)])
    g = b[:min(k, rank)] @ regress
    c, d, begin = zeros(len(g), do), zeros(len(g), do), 0
    for on_c, on_d in blocks:
        part = g[:, begin:begin + (len(e) // len(blocks))]
        begin += part.shape[1]
        if proj is not None:
            part = part @ proj
        c, d = c + on_c * part, d + on_d * part
    if gauge:
        fw = whitener(f)
        back = g @ (e @ (fw @ f).T) @ fw
        c = c - (back @ proj if proj is not None else back)
    gap = (lam[k - 1] - (lam[k] if k < len(lam) else 0)) / lam[0] if k <= rank else mpf(1)
    return loss, (lam + [mpf(0)] * k)[:k], c, d, gap, rank


def information(z, t):
    """I(t; z) in nats for z orthonormal rows."""
    q = basis(t)
    left = z - (z @ q.T) @ q
    if len(z) == 0: return mpf(0)
    det, lost = mpf(0), False
    kept = []
    for row in left:
        v = row
        for _ in range(2):
            for u in kept:
                v = v - (v * u).sum() * u
        share = (v * v).sum()
        if share < EXACT:
            return inf
        det += log(share)
        kept.append(v / sqrt(share))
    return -det / 2


def share(z, t):
    return squares(z @ basis(t).T) / len(z) if len(z) else None


def metrics(w, c, d):
    conf = w["c"]
    z = c @ w["o"] + d @ w["on"]
    o, x, a, xn = w["o"], w["x"], w["a"], w["xn"]
    left = lambda v: residual(v, o)
    zl = basis(left(z))
    al, xl = left(a), left(xn)
    seen = lambda v: residual(residual(v, residual(o, basis(x))), basis(x))
    zs, xs = basis(seen(z)), seen(xn)
    zr = basis(z)
    error = lambda t, q: squares(t - (t @ q.T) @ q) / squares(t)
    initial = mpf(conf["exogenousInitialScale"])
    moved = squares(initial * (c + mpf(conf["exogenousDecay"]) * d) @ w["ex"]) + squares(mpf(conf["exogenousScale"]) * d @ w["ex"])
    return {
        "actionError": error(al, zl), "futureLeakage": 1 - error(xl, zl),
        "actionInformation": information(zl, al), "futureInformation": information(zl, xl),
        "consistencyError": moved / squares(z),
        "rawActionError": error(a, zr), "rawExogenousNextError": error(xn, zr), "rawObservationError": error(o, zr),
        "innovationLeakage": 1 - error(xs, zs), "latentShare.exogenous": share(zs, xs), "latentShare.action": share(zs, al),
    }


def text(v):
    return None if v is None else "Infinity" if v == inf else float(v)


def answer(case):
    w = world(case["world"])
    loss, lam, c, d, gap, rank = solve(w, case["objective"], case["latentDim"])
    return dict(case["name"], gap=float(gap), rank=rank, loss=float(loss), spectrum=[float(v) for v in lam],
                metrics={k: text(v) for k, v in metrics(w, c, d).items()})


if __name__ == "__main__":
    import multiprocessing
    cases = [json.loads(line) for line in sys.stdin if line.strip()]
    with multiprocessing.Pool(int(sys.argv[1]) if len(sys.argv) > 1 else 1) as pool:
        answers = []
        for a in pool.imap(answer, cases):
            answers.append(a)
            print(a["index"], a["extreme"], a["gap"], file=sys.stderr, flush=True)
    print("[\n" + ",\n".join(json.dumps(a) for a in answers) + "\n]")
