"""Worlds of an independent implementation of docs/estimates.md, and the widths that it finds.

    python3 oracle_widths.py ORACLE.py FOLDER WORLDS [EPISODES]

ORACLE.py is a module with simulate_world and estimate. Data go to FOLDER, one .npz a world; a JSON line a world goes to standard
output: its file, episodes, latent dimension, objective, folds and the interval of every metric. EPISODES: of that cell alone.
"""
import importlib.util, json, os, sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np

path, folder, worlds = sys.argv[1], sys.argv[2], int(sys.argv[3])
only = int(sys.argv[4]) if len(sys.argv) > 4 else None
spec = importlib.util.spec_from_file_location("oracle", path)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

NAMES = {"o": "observation", "on": "observation_next", "a": "actions", "x": "exogenous", "xn": "exogenous_next", "episode": "episode"}
for episodes, rows in ((6, 60), (10, 60), (20, 60), (40, 40)):
    for seed in range(worlds if only in (None, episodes) else 0):
        rng = np.random.default_rng([seed, episodes, 0])
        world = oracle.simulate_world(rng)
        k = int(rng.integers(1, 5))
        weight = float(10 ** rng.uniform(-1, 1))
        objective = {"kind": "action-supervised", "weight": weight} if seed % 2 == 0 else {"kind": "reconstruction"}
        data = world(episodes, rows)
        file = os.path.join(folder, f"{episodes}-{seed}.npz")
        np.savez(file, **{NAMES[key]: v for key, v in data.items()})
        answer = oracle.estimate(data, [k], objective, seed=seed)
        metrics = {m: {key: e[key] for key in ("low", "high", "reason")} for m, e in answer["estimates"][str(k)].items()}
        print(json.dumps({"file": file, "episodes": episodes, "latentDim": k, "objective": objective, "seed": seed, "folds": answer["folds"], "metrics": metrics}), flush=True)
