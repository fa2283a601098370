"""What every Python peer shares: the data of `src/data.rs` and the measuring protocol of `src/main.rs`."""

import json
import math
import os
import sys
import time

# settings meant for other programs must not choose this library's kernels
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np

NAMES = ["mlp_big", "mlp_small", "tiny", "chain", "elementwise", "wide", "hvp", "lanczos", "infer_b1", "infer_b128",
         "adamw", "cnn", "gru", "transformer", "embedding", "table"]
# networks that are more than an MLP, all trained by Adam
NETWORKS = ["cnn", "gru", "transformer", "embedding", "table"]
# layer sizes and batch size
MLPS = {
    "mlp_big": ([784, 512, 256, 10], 128),
    "mlp_small": ([784, 128, 10], 32),
    "wide": ([1024, 2048, 2048, 10], 256),
    "tiny": ([2, 16, 16, 1], 1),
    "hvp": ([784, 128, 10], 32),
    "lanczos": ([64, 32, 10], 239),
    "infer_b1": ([784, 512, 256, 10], 1),
    "infer_b128": ([784, 512, 256, 10], 128),
}
# the step whose loss is the check value
CHECK_STEPS = {"mlp_big": 100, "mlp_small": 100, "wide": 20, "adamw": 10, "cnn": 20, "gru": 20, "transformer": 20,
               "embedding": 20, "table": 100}


def u(seed, i):
    """Numbers in [0, 1) at the positions `i`, by wrapping 64-bit arithmetic (splitmix64)."""
    i = np.asarray(i, dtype=np.uint64)
    mask = (1 << 64) - 1
    z = np.uint64(seed * 0xD1B54A32D192ED03 & mask) + (i + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def signed(seed, n):
    """The first `n` numbers in [-1, 1)."""
    return np.float32(2) * u(seed, np.arange(n)) - np.float32(1)


def layers(sizes, seed=10, scaled=True):
    """(weight inputs × outputs, bias) of every layer."""
    result = []
    for l, (nin, nout) in enumerate(zip(sizes, sizes[1:])):
        k = np.float32(1) / np.sqrt(np.float32(nin)) if scaled else np.float32(1)
        weight = signed(seed + 2 * l, nin * nout).reshape(nin, nout) * k
        result.append((weight, signed(seed + 1 + 2 * l, nout) * k))
    return result


def layer(l, nin, nout, fan=None):
    """Weight (outputs × inputs) and bias of layer `l`, in ±1/√fan; the fan is the number of inputs if not given."""
    k = np.float32(1) / np.sqrt(np.float32(fan or nin))
    weight = signed(10 + 2 * l, nin * nout).reshape(nin, nout).T * k
    return np.ascontiguousarray(weight), signed(11 + 2 * l, nout) * k


def network(workload):
    """The parameters of a network by name, and its 16 batches."""
    params = {}

    def linear(name, l, nin, nout, shape=None, fan=None):
        weight, bias = layer(l, nin, nout, fan)
        params[name + ".weight"] = weight.reshape(shape) if shape else weight
        params[name + ".bias"] = bias

    def norm(name, n):
        params[name + ".weight"], params[name + ".bias"] = np.ones(n, np.float32), np.zeros(n, np.float32)

    if workload == "cnn":
        linear("conv1", 0, 9, 16, (16, 1, 3, 3))
        linear("conv2", 1, 144, 32, (32, 16, 3, 3))
        norm("norm1", 16)
        norm("norm2", 32)
        linear("hidden", 2, 1568, 128)
        linear("out", 3, 128, 10)
        data = [(x.reshape(128, 1, 28, 28), y) for x, y in batches(128, 784)]
    elif workload == "gru":
        linear("inputs", 0, 64, 384, fan=128)
        linear("states", 1, 128, 384)
        linear("out", 2, 128, 10)
        data = [(x.reshape(64, 32, 64), y) for x, y in batches(64, 32 * 64)]
    elif workload == "transformer":
        for k in range(3):
            norm(f"norm{k}", 64)
        for l, (name, nin, nout) in enumerate([("qkv", 64, 192), ("joined", 64, 64), ("up", 64, 256), ("down", 256, 64),
                                               ("out", 64, 10)]):
            linear(name, l, nin, nout)
        data = [(x.reshape(32, 32, 64), y) for x, y in batches(32 * 32, 64)]
    elif workload == "embedding":
        params["table"] = signed(4, 50_000 * 64).reshape(50_000, 64)
        linear("out", 0, 64, 10)
        n = np.arange(512)
        words = [np.floor(np.float32(50_000) * u(5, b * 512 + n)).astype(np.int64) for b in range(16)]
        labels = [np.floor(np.float32(10) * u(2, b * 512 + n)).astype(np.int64) for b in range(16)]
        data = list(zip(words, labels))
    else:
        for l, (nin, nout) in enumerate([(20, 64), (64, 64), (64, 1)]):
            linear(str(l), l, nin, nout)
        data = [(x, (y >= 5).astype(np.float32)[:, None]) for x, y in batches(256, 20)]
    return params, data


def directions(sizes):
    """What the Hessian is multiplied by."""
    return layers(sizes, seed=50, scaled=False)


def batches(size, d):
    """The 16 batches: inputs, and labels (int64)."""
    result = []
    half = np.float32(0.5)
    for b in range(16):
        n = b * size + np.arange(size)
        y = np.floor(np.float32(10) * u(2, n)).astype(np.int64)
        j = np.arange(d)
        x = half * u(1, n[:, None] * d + j) + half * u(3, y[:, None] * d + j)
        result.append((x, y))
    return result


def tiny_samples():
    """The 64 samples: inputs 1 × 2, targets 1 × 1."""
    inputs = signed(1, 128).reshape(64, 1, 2)
    return [(x, x[:, :1] * x[:, 1:]) for x in inputs]


def chain_x():
    return signed(1, 10)


def elementwise_x():
    return np.float32(4) * u(1, np.arange(1_000_000)) - np.float32(2)


def infer_x(rows):
    return np.ascontiguousarray(batches(128, 784)[0][0][:rows])


def flops(workload):
    """Floating-point operations of a training step's products, counted as three a layer."""
    sizes, batch = MLPS[workload]
    return 6.0 * batch * sum(a * b for a, b in zip(sizes, sizes[1:]))


def convert(workload, seconds):
    """A step's time as the value printed, with its unit."""
    if workload in ("mlp_big", "mlp_small", "tiny", *NETWORKS):
        return 1 / seconds, "steps/s"
    if workload == "wide":
        return flops("wide") / seconds / 1e9, "GFLOP/s"
    if workload == "chain":
        return seconds * 1e9 / 1000, "ns/op"
    if workload == "elementwise":
        return seconds * 1e3, "ms/iter"
    if workload == "hvp":
        return seconds * 1e3, "ms/hvp"
    if workload == "lanczos":
        return seconds * 1e3, "ms/run"
    if workload == "adamw":
        return seconds * 1e3, "ms/step"
    return seconds * 1e6, "µs/forward"


class Unsupported(Exception):
    """The peer cannot do this workload."""


REPETITIONS = 7
DURATION = 0.4


def repetition(task):
    """Seconds a step: one untimed, then as many as fill the duration."""
    step = task.step
    step()
    task.finish()
    start = time.perf_counter()
    steps, batch = 0, 1
    while time.perf_counter() - start < DURATION:
        for _ in range(batch):
            step()
        steps += batch
        # look at the clock about a thousand times in all
        batch = max(steps // 1000, 1)
    # steps still in flight end here
    task.finish()
    return (time.perf_counter() - start) / steps


def check(workload, task):
    """The value that shows that every framework computes the same.

    `finish` gives the last step's loss or, where there is none, the workload's own check value.
    """
    if workload == "tiny":
        losses = []
        for _ in range(640):
            task.step()
            losses.append(task.finish())
        return math.fsum(losses[576:]) / 64
    for _ in range(CHECK_STEPS.get(workload, 1)):
        task.step()
    return task.check() if hasattr(task, "check") else task.finish()


def report(peer, version, workload, threads, start):
    """Measures the tasks that `start()` makes, each from fresh state, and prints the line of JSON."""
    checked = check(workload, start())
    values = sorted(convert(workload, repetition(start()))[0] for _ in range(REPETITIONS))
    unit = convert(workload, 1)[1]
    line = {
        "peer": peer, "version": version, "workload": workload, "threads": threads,
        "value": values[REPETITIONS // 2], "unit": unit, "reps": REPETITIONS,
        "min": values[0], "max": values[-1], "check": checked,
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def main(peers, run):
    """`FILE PEER WORKLOAD THREADS`; exit status 3 if the peer cannot do this workload."""
    if len(sys.argv) != 4 or sys.argv[1] not in peers:
        sys.exit(f"usage: {sys.argv[0]} PEER WORKLOAD THREADS\npeers: {peers}\nworkloads: {NAMES}")
    peer, workload, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        if workload not in NAMES:
            raise Unsupported(f"there is no workload {workload}")
        run(peer, workload, threads)
    except Unsupported as reason:
        print(f"{peer}: {reason}", file=sys.stderr)
        sys.exit(3)
