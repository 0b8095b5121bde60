"""JAX on the training cases of `exolam bench --peers` (bench/training.ts): the loop over steps is compiled as a whole, so that
Python takes no part in a step, and what XLA can do is what is timed. Adam is written out; fresh data in every step.

    python3 jax_peer.py SECONDS < tasks

Tasks and answers as in numpy_peer.py; steps start from random parameters, so no figures are compared.
"""

import json
import os
import sys
import time

# One core, before XLA counts them; its flag alone leaves threads that wait.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp

RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def dense(key, inputs, outputs):
    """Weights and biases, uniform within 1 / sqrt(inputs): the default of PyTorch and of exolam."""
    weight, bias = jax.random.split(key)
    bound = inputs**-0.5
    draw = lambda key, shape: jax.random.uniform(key, shape, minval=-bound, maxval=bound)
    return draw(weight, (inputs, outputs)), draw(bias, (outputs,))


def linear(d, k, keys):
    parameters = [dense(key, *of)[0] for key, of in zip(keys, [(d, d), (k, d), (d, k), (d, k)])]

    def forward(parameters, o, after):
        a, b, c, d = parameters
        return o @ a + (o @ c + after @ d) @ b

    return parameters, forward


def mlp(d, k, h, activation, keys):
    act = {"relu": jax.nn.relu, "gelu": lambda x: jax.nn.gelu(x, approximate=False)}[activation]
    layers = [(2 * d, h), (h, h), (h, k), (d + k, h), (h, h), (h, d)]

    def chain(layers, x):
        for weight, bias in layers[:-1]:
            x = act(x @ weight + bias)
        weight, bias = layers[-1]
        return x @ weight + bias

    def forward(parameters, o, after):
        z = chain(parameters[:3], jnp.concatenate([o, after], 1))
        return chain(parameters[3:], jnp.concatenate([o, z], 1))

    return [dense(key, *of) for key, of in zip(keys, layers)], forward


def stepper(batch, task, steps):
    """A call that takes so many steps, each on data of its own."""
    d, da, k = task["observationDim"], task["actionDim"], task["latentDim"]
    keys = jax.random.split(jax.random.key(0), 9)
    x, y = (jnp.linalg.qr(jax.random.normal(key, (d, da)))[0] for key in keys[:2])
    model = task["model"]
    parameters, forward = linear(d, k, keys[2:]) if model == "linear" else mlp(d, k, task["hidden"], model, keys[2:])

    def loss(parameters, o, after):
        return ((after - forward(parameters, o, after)) ** 2).sum(1).mean()

    def step(i, state):
        parameters, first, second = state
        of_o, of_a, of_b = jax.random.split(jax.random.fold_in(keys[8], i), 3)
        o = jax.random.normal(of_o, (batch, d))
        after = o + jax.random.normal(of_a, (batch, da)) @ x.T + 0.5 * jax.random.normal(of_b, (batch, da)) @ y.T
        gradient = jax.grad(loss)(parameters, o, after)
        t = i + 1.0
        first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
        second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
        rate, corrected = RATE / (1 - BETA1**t), 1 / (1 - BETA2**t)
        moved = lambda p, m, v: p - rate * m / (jnp.sqrt(v * corrected) + EPSILON)
        return jax.tree.map(moved, parameters, first, second), first, second

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    loop = jax.jit(lambda state: jax.lax.fori_loop(0, steps, step, state))
    return lambda: jax.block_until_ready(loop((parameters, zeros, zeros)))


def measured(run, items, seconds):
    """The least processor time, and the least and median wall time, of one step."""
    run()  # compiles
    cpu, wall = [], []
    end = time.perf_counter() + seconds
    while len(cpu) < 3 or time.perf_counter() < end:
        clock, processor = time.perf_counter(), time.process_time()
        run()
        cpu.append(time.process_time() - processor)
        wall.append(time.perf_counter() - clock)
    return {
        "seconds": min(cpu) / items,
        "wall": min(wall) / items,
        "wallMedian": sorted(wall)[len(wall) // 2] / items,
        "items": items,
        "samples": len(cpu),
    }


def main():
    print(json.dumps({"peer": "JAX", "version": jax.__version__}))
    for line in sys.stdin:
        case, kind, n, _, items, path = line.rstrip("\n").split("\t")
        if kind != "training-step":
            continue
        with open(path, encoding="utf-8") as file:
            task = json.load(file)
        times = measured(stepper(int(n), task, int(items)), int(items), float(sys.argv[1]))
        print(json.dumps({"case": case, "peer": "JAX", "detail": "jit of the loop", **times, "figures": None}), flush=True)


main()
