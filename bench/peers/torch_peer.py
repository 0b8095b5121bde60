"""PyTorch on the training cases of `exolam bench --peers` (bench/training.ts), as one writes them down: nn.Module,
autograd, Adam in each of the ways that this PyTorch has, fresh data in every step.

    python3 torch_peer.py SECONDS < tasks

Tasks and answers as in numpy_peer.py; steps start from PyTorch's own random parameters, so no figures are compared.
"""

import inspect
import json
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)


class Linear(torch.nn.Module):
    def __init__(self, d, k):
        super().__init__()
        of = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.a, self.b, self.c, self.d = of(d, d), of(k, d), of(d, k), of(d, k)

    def forward(self, o, after):
        return self.a(o) + self.b(self.c(o) + self.d(after))


class Mlp(torch.nn.Module):
    def __init__(self, d, k, h, activation):
        super().__init__()
        act = {"relu": torch.nn.ReLU, "gelu": torch.nn.GELU}[activation]
        chain = lambda i, o: torch.nn.Sequential(
            torch.nn.Linear(i, h), act(), torch.nn.Linear(h, h), act(), torch.nn.Linear(h, o)
        )
        self.encoder, self.decoder = chain(2 * d, k), chain(d + k, d)

    def forward(self, o, after):
        z = self.encoder(torch.cat([o, after], 1))
        return self.decoder(torch.cat([o, z], 1))


def ways():
    """What torch.optim.Adam is asked for: its default, and the two that take all parameters at once."""
    yield "Adam", {}
    for name in ("foreach", "fused"):
        if name in inspect.signature(torch.optim.Adam).parameters:
            yield f"Adam, {name}", {name: True}


def stepper(batch, task, adam):
    d, da, k = task["observationDim"], task["actionDim"], task["latentDim"]
    x, y = (torch.linalg.qr(torch.randn(d, da))[0] for _ in range(2))
    model = Linear(d, k) if task["model"] == "linear" else Mlp(d, k, task["hidden"], task["model"])
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, **adam)

    def step():
        o, a, b = torch.randn(batch, d), torch.randn(batch, da), torch.randn(batch, da)
        after = o + a @ x.T + 0.5 * b @ y.T
        loss = ((after - model(o, after)) ** 2).sum(1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    return step


def measured(step, items, seconds):
    """The least processor time, and the least and median wall time, of one step."""
    cpu, wall = [], []
    end = None
    while end is None or len(cpu) < 3 or time.perf_counter() < end:
        clock, processor = time.perf_counter(), time.process_time()
        for _ in range(items):
            step()
        if end is None:  # the first ones only warm up
            end = time.perf_counter() + seconds
            continue
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
    print(json.dumps({"peer": "PyTorch", "version": torch.__version__}))
    for line in sys.stdin:
        case, kind, n, _, items, path = line.rstrip("\n").split("\t")
        if kind != "training-step":
            continue
        with open(path, encoding="utf-8") as file:
            task = json.load(file)
        for detail, adam in ways():
            try:
                step = stepper(int(n), task, adam)
                step()
            except RuntimeError:  # PyTorch 1.13 has fused for CUDA alone
                continue
            times = measured(step, int(items), float(sys.argv[1]))
            print(json.dumps({"case": case, "peer": "PyTorch", "detail": detail, **times, "figures": None}), flush=True)


main()
