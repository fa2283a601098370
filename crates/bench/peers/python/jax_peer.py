"""`jax_peer.py JAX WORKLOAD THREADS`: the workloads in JAX, each step jitted as a whole."""

import os
import sys

# before JAX is loaded: XLA takes as many threads as it sees cores
if len(sys.argv) == 4 and sys.argv[3].isdigit():
    threads = int(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if threads == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = f"{flags} {os.environ.get('XLA_FLAGS', '')}".strip()
os.environ["JAX_PLATFORMS"] = "cpu"

import common

import jax
import jax.numpy as jnp
import numpy as np

tree_map = jax.tree.map


def arrays(layers):
    return [(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in layers]


def forward(params, x, activation):
    for weight, bias in params[:-1]:
        x = activation(x @ weight + bias)
    weight, bias = params[-1]
    return x @ weight + bias


def cross_entropy(params, x, y):
    logits = forward(params, x, jax.nn.relu)
    picked = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - picked)


def mse(params, x, y):
    return jnp.mean((forward(params, x, jnp.tanh) - y) ** 2)


def chain(x):
    for _ in range(250):
        x = jnp.sin(jnp.tanh(x * 1.01 + 0.001))
    return x.sum()


def elementwise(x):
    return jnp.mean(jnp.tanh(x) * jnp.exp(-x * x) + jax.nn.sigmoid(x))


def squares(tree):
    return sum(float((np.asarray(a, dtype=np.float64) ** 2).sum()) for a in jax.tree.leaves(tree))


def adam(params, grads, state):
    t, m, v = state
    t = t + 1
    m = tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    scale, root = 1e-3 / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
    params = tree_map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + 1e-8), params, m, v)
    return params, (t, m, v)


def momentum(params, grads, state):
    state = tree_map(lambda s, g: 0.9 * s + g, state, grads)
    return tree_map(lambda p, s: p - 0.01 * s, params, state), state


def sgd(rate):
    return lambda params, grads, state: (tree_map(lambda p, g: p - rate * g, params, grads), state)


UPDATES = {"mlp_big": adam, "mlp_small": momentum, "wide": sgd(0.01), "tiny": sgd(0.05)}


class Train:
    """Training steps; a step waits for the one before only where it needs its weights."""

    def __init__(self, params, state, step_function, batches):
        self.params, self.state, self.step_function, self.batches = params, state, step_function, batches
        self.i = 0
        self.loss = None

    def step(self):
        x, y = self.batches[self.i]
        self.i = (self.i + 1) % len(self.batches)
        self.params, self.state, self.loss = self.step_function(self.params, self.state, x, y)

    def finish(self):
        jax.block_until_ready((self.params, self.state))
        return float(self.loss)


def train(workload):
    """How to make a fresh training workload."""
    sizes, size = common.MLPS[workload]
    data = common.tiny_samples() if workload == "tiny" else common.batches(size, sizes[0])
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in data]
    layers = common.layers(sizes)
    loss_function = mse if workload == "tiny" else cross_entropy
    update = UPDATES[workload]

    def step(params, state, x, y):
        loss, grads = jax.value_and_grad(loss_function)(params, x, y)
        params, state = update(params, grads, state)
        return params, state, loss

    # the new weights take the old ones' memory
    jitted = jax.jit(step, donate_argnums=(0, 1))

    def start():
        params = arrays(layers)
        zeros = lambda: tree_map(jnp.zeros_like, params)
        state = ()
        if workload == "mlp_big":
            state = (jnp.float32(0), zeros(), zeros())
        elif workload == "mlp_small":
            state = zeros()
        return Train(params, state, jitted, batches)

    return start


def linear(p, name, x):
    return x @ p[name + ".weight"].T + p[name + ".bias"]


def norm(p, name, x):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p[name + ".weight"] + p[name + ".bias"]


def picked_cross_entropy(logits, y):
    picked = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - picked)


def cnn(p, x, y):
    for l in "12":
        x = jax.lax.conv_general_dilated(x, p[f"conv{l}.weight"], (1, 1), ((1, 1), (1, 1)))
        x = x + p[f"conv{l}.bias"][:, None, None]
        mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        x = (x - mean) * jax.lax.rsqrt(var + 1e-5)
        x = jax.nn.relu(x * p[f"norm{l}.weight"][:, None, None] + p[f"norm{l}.bias"][:, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return picked_cross_entropy(linear(p, "out", jax.nn.relu(linear(p, "hidden", x.reshape(128, -1)))), y)


def gru(p, x, y):
    def step(h, gates):
        own = h @ p["states.weight"].T + p["states.bias"]
        r = jax.nn.sigmoid(gates[:, :128] + own[:, :128])
        z = jax.nn.sigmoid(gates[:, 128:256] + own[:, 128:256])
        n = jnp.tanh(gates[:, 256:] + r * own[:, 256:])
        return (1 - z) * n + z * h, None

    h, _ = jax.lax.scan(step, jnp.zeros((64, 128)), linear(p, "inputs", x).transpose(1, 0, 2))
    return picked_cross_entropy(linear(p, "out", h), y)


def transformer(p, x, y):
    q, k, v = linear(p, "qkv", norm(p, "norm0", x)).reshape(32, 32, 3, 4, 16).transpose(2, 0, 3, 1, 4)
    scores = q @ k.swapaxes(-1, -2) * 0.25
    weights = jax.nn.softmax(jnp.where(jnp.tri(32, dtype=bool), scores, -jnp.inf))
    x = x + linear(p, "joined", (weights @ v).transpose(0, 2, 1, 3).reshape(32, 32, 64))
    x = x + linear(p, "down", jax.nn.relu(linear(p, "up", norm(p, "norm1", x))))
    return picked_cross_entropy(linear(p, "out", norm(p, "norm2", x)).reshape(-1, 10), y)


def embedding(p, x, y):
    return picked_cross_entropy(linear(p, "out", p["table"][x]), y)


def table(p, x, y):
    for l in "01":
        x = jax.nn.relu(linear(p, l, x))
    logits = linear(p, "2", x)
    return jnp.mean(jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-jnp.abs(logits))))


def network(workload):
    """How to make fresh training steps of a network."""
    cost = {"cnn": cnn, "gru": gru, "transformer": transformer, "embedding": embedding, "table": table}[workload]
    start_params, data = common.network(workload)
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in data]

    def step(params, state, x, y):
        loss, grads = jax.value_and_grad(cost)(params, x, y)
        params, state = adam(params, grads, state)
        return params, state, loss

    jitted = jax.jit(step, donate_argnums=(0, 1))

    def start():
        params = {name: jnp.array(a) for name, a in start_params.items()}
        zeros = lambda: tree_map(jnp.zeros_like, params)
        return Train(params, (jnp.float32(0), zeros(), zeros()), jitted, batches)

    return start


class Call:
    """A function without state, called again and again."""

    def __init__(self, function, check):
        self.function, self.checker = function, check
        self.result = None

    def step(self):
        self.result = self.function()

    def finish(self):
        jax.block_until_ready(self.result)
        return 0.0

    def check(self):
        return self.checker(self.result)


def calls(workload):
    """How to make a workload without state."""
    if workload in ("chain", "elementwise"):
        x = jnp.asarray(common.chain_x() if workload == "chain" else common.elementwise_x())
        gradient = jax.jit(jax.grad(chain if workload == "chain" else elementwise))
        check = (lambda g: float(g.sum())) if workload == "chain" else (lambda g: 1e6 * squares(g))
        return lambda: Call(lambda: gradient(x), check)
    sizes, size = common.MLPS[workload]
    params = arrays(common.layers(sizes))
    if workload == "hvp":
        direction = arrays(common.directions(sizes))
        x, y = map(jnp.asarray, common.batches(size, sizes[0])[0])

        @jax.jit
        def product(params, direction, x, y):
            return jax.jvp(lambda p: jax.grad(cross_entropy)(p, x, y), (params,), (direction,))[1]

        return lambda: Call(lambda: product(params, direction, x, y), squares)
    x = jnp.asarray(common.infer_x(size))
    logits = jax.jit(lambda params, x: forward(params, x, jax.nn.relu))
    return lambda: Call(lambda: logits(params, x), lambda z: float(np.asarray(z, dtype=np.float64).sum()))


def run(peer, workload, threads):
    if workload in ("adamw", "lanczos"):
        raise common.Unsupported
    if workload in UPDATES:
        start = train(workload)
    elif workload in common.NETWORKS:
        start = network(workload)
    else:
        # calls that don't depend on each other would run at the same time
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        start = calls(workload)
    common.report(peer, jax.__version__, workload, threads, start)


if __name__ == "__main__":
    common.main(["JAX"], run)
