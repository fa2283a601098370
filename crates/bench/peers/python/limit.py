"""`limit.py WORKLOAD THREADS`: how fast training steps would be if they were their matrix products alone.

Each product is timed in NumPy (OpenBLAS) and PyTorch (MKL), with weights stored inputs × outputs and outputs ×
inputs; the fastest counts.
"""

import json
import os
import sys
import time

if len(sys.argv) != 3 or sys.argv[1] not in ("mlp_big", "mlp_small", "wide"):
    print(f"usage: {sys.argv[0]} WORKLOAD THREADS\nworkloads: mlp_big mlp_small wide", file=sys.stderr)
    sys.exit(3)
WORKLOAD, THREADS = sys.argv[1], int(sys.argv[2])
# read when NumPy is loaded
os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)

import common

import numpy as np
import torch

REPETITIONS = 7
DURATION = 0.05


def seconds(function):
    """The times of a call, one a repetition, sorted."""
    function()
    times = []
    for _ in range(REPETITIONS):
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < DURATION:
            function()
            calls += 1
        times.append((time.perf_counter() - start) / calls)
    return sorted(times)


def products(kind, x, dy, w, wt, multiply, transpose):
    """Ways to compute a product: with the weight as `w` (inputs × outputs) or `wt`."""
    if kind == "forward":
        return [multiply(x, w, dy), multiply(x, transpose(wt), dy)]
    if kind == "weight":
        return [multiply(transpose(x), dy, w), multiply(transpose(dy), x, wt)]
    return [multiply(dy, transpose(w), x), multiply(dy, wt, x)]


def best(kind, m, k, n):
    """(the times, library) of the fastest way. `m` rows, `k` inputs and `n` outputs of a layer."""
    shapes = [(m, k), (m, n), (k, n), (n, k)]
    host = [np.random.rand(*s).astype(np.float32) for s in shapes]
    ways = {
        "OpenBLAS": products(kind, *[a.copy() for a in host],
                             lambda a, b, out: lambda: np.matmul(a, b, out=out), lambda a: a.T),
        "MKL": products(kind, *[torch.from_numpy(a.copy()) for a in host],
                        lambda a, b, out: lambda: torch.mm(a, b, out=out), lambda a: a.t()),
    }
    timed = [(seconds(way), library) for library, both in ways.items() for way in both]
    return min(timed, key=lambda t: t[0][REPETITIONS // 2])


def main():
    torch.set_num_threads(THREADS)
    sizes, m = common.MLPS[WORKLOAD]
    shapes, totals = [], [0.0] * REPETITIONS
    with torch.inference_mode():
        for l, (k, n) in enumerate(zip(sizes, sizes[1:])):
            # nobody needs the gradient of the first layer's input
            for kind in ("forward", "weight", "input") if l else ("forward", "weight"):
                times, library = best(kind, m, k, n)
                shapes.append([m, k, n, kind, library, round(2e-9 * m * k * n / times[REPETITIONS // 2], 1)])
                totals = [total + t for total, t in zip(totals, times)]
    values = sorted(common.convert(WORKLOAD, t)[0] for t in totals)
    print(json.dumps({
        "peer": "products", "version": f"numpy {np.__version__}, torch {torch.__version__.split('+')[0]}",
        "workload": WORKLOAD, "threads": THREADS, "value": values[REPETITIONS // 2],
        "unit": common.convert(WORKLOAD, 1)[1], "reps": REPETITIONS, "min": values[0], "max": values[-1],
        "shapes": shapes,
    }))


if __name__ == "__main__":
    main()
