"""`pytorch.py PEER WORKLOAD THREADS`: the workloads in PyTorch, run eagerly ("PyTorch") or compiled ("torch.compile").

Each is written the way that measured fastest on a CPU: eagerly, SGD is three calls of `torch._foreach_*` rather than
an optimizer (whose bookkeeping costs more than the update) while Adam is the fused one; compiled, the whole training
step, gradients and update included, is one graph.
"""

import os
import sys

import common

# compile in this process: no idle workers beside the measurement
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

import numpy as np
import torch
import torch.nn.functional as F


def tensors(layers):
    """Weight (outputs × inputs, as `nn.Linear` stores it) and bias of every layer, in one list."""
    return [torch.from_numpy(np.array(a, order="C")) for weight, bias in layers for a in (weight.T, bias)]


def forward(params, x, activation):
    for l in range(0, len(params) - 2, 2):
        x = activation(F.linear(x, params[l], params[l + 1]))
    return F.linear(x, params[-2], params[-1])


def cross_entropy(params, x, y):
    return F.cross_entropy(forward(params, x, torch.relu), y)


def mse(params, x, y):
    return F.mse_loss(forward(params, x, torch.tanh), y)


def chain(x):
    for _ in range(250):
        x = torch.sin(torch.tanh(x * 1.01 + 0.001))
    return x.sum()


def elementwise(x):
    return (torch.tanh(x) * torch.exp(-x * x) + torch.sigmoid(x)).mean()


def compiled(function, **options):
    """Compiled for these shapes only. The inputs never change in kind, so that checking them at each call can go."""
    options["guard_filter_fn"] = torch.compiler.skip_all_guards_unsafe
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)


def squares(tensors):
    return sum(float((t.double() ** 2).sum()) for t in tensors)


class Train:
    """Training steps. `step_function(params, state, x, y)` updates both and returns the loss."""

    def __init__(self, params, state, step_function, batches):
        self.params, self.state, self.step_function, self.batches = params, state, step_function, batches
        self.i = 0
        self.loss = None

    def step(self):
        x, y = self.batches[self.i]
        self.i = (self.i + 1) % len(self.batches)
        self.loss = self.step_function(self.params, self.state, x, y)

    def finish(self):
        return self.loss.item()


def adam_(params, grads, state):
    """The textbook's update, which the compiler fuses."""
    t, firsts, seconds = state
    t.add_(1)
    scale, root = 1e-3 / (1 - 0.9**t), (1 - 0.999**t).sqrt()
    for p, g, m, v in zip(params, grads, firsts, seconds):
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        p.sub_(scale * m / (v.sqrt() / root + 1e-8))


def momentum_(params, grads, state):
    torch._foreach_mul_(state, 0.9)
    torch._foreach_add_(state, grads)
    torch._foreach_sub_(params, state, alpha=0.01)


def sgd_(rate):
    return lambda params, grads, _: torch._foreach_sub_(params, grads, alpha=rate)


UPDATES = {"mlp_big": adam_, "mlp_small": momentum_, "wide": sgd_(0.01), "tiny": sgd_(0.05)}


def zeros(params):
    return [torch.zeros_like(p) for p in params]


def train(peer, workload):
    """How to make a fresh training workload."""
    sizes, size = common.MLPS[workload]
    data = common.tiny_samples() if workload == "tiny" else common.batches(size, sizes[0])
    batches = [(torch.from_numpy(x.copy()), torch.from_numpy(y.copy())) for x, y in data]
    layers = common.layers(sizes)
    loss_function = mse if workload == "tiny" else cross_entropy
    update = UPDATES[workload]

    def eager(params, state, x, y):
        loss = loss_function(params, x, y)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            update(params, grads, state)
        return loss

    def eager_adam(params, optimizer, x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(params, x, y)
        loss.backward()
        optimizer.step()
        return loss

    def functional(params, state, x, y):
        grads, loss = torch.func.grad_and_value(loss_function)(params, x, y)
        update(params, grads, state)
        return loss

    # a C++ wrapper of the kernels saves calls from Python
    whole_step = compiled(functional, cpp_wrapper=True)

    def start():
        params = tensors(layers)
        if peer == "PyTorch":
            for p in params:
                p.requires_grad_()
        state = None
        if workload == "mlp_small":
            state = zeros(params)
        elif workload == "mlp_big" and peer == "PyTorch":
            return Train(params, torch.optim.Adam(params, lr=1e-3, fused=True), eager_adam, batches)
        elif workload == "mlp_big":
            state = (torch.zeros(()), zeros(params), zeros(params))
        return Train(params, state, eager if peer == "PyTorch" else whole_step, batches)

    return start


def linear(p, name, x):
    return F.linear(x, p[name + ".weight"], p[name + ".bias"])


def norm(p, name, x):
    return F.layer_norm(x, (64,), p[name + ".weight"], p[name + ".bias"])


def cnn(p, x, y):
    for l in "12":
        x = F.conv2d(x, p[f"conv{l}.weight"], p[f"conv{l}.bias"], padding=1)
        x = F.batch_norm(x, p[f"mean{l}"], p[f"var{l}"], p[f"norm{l}.weight"], p[f"norm{l}.bias"], training=True)
        x = F.max_pool2d(torch.relu(x), 2)
    hidden = torch.relu(linear(p, "hidden", x.flatten(1)))
    return F.cross_entropy(linear(p, "out", hidden), y)


def gru(p, x, y):
    weights = [p[name] for name in ("inputs.weight", "states.weight", "inputs.bias", "states.bias")]
    state = x.new_zeros(1, x.shape[0], 128)
    _, last = torch.gru(x, state, weights, True, 1, 0.0, True, False, True)
    return F.cross_entropy(linear(p, "out", last[0]), y)


def transformer(p, x, y):
    q, k, v = linear(p, "qkv", norm(p, "norm0", x)).reshape(32, 32, 3, 4, 16).permute(2, 0, 3, 1, 4)
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + linear(p, "joined", seen.transpose(1, 2).reshape(32, 32, 64))
    x = x + linear(p, "down", torch.relu(linear(p, "up", norm(p, "norm1", x))))
    return F.cross_entropy(linear(p, "out", norm(p, "norm2", x)).reshape(-1, 10), y)


def embedding(p, x, y):
    return F.cross_entropy(linear(p, "out", F.embedding(x, p["table"])), y)


def table(p, x, y):
    for l in "01":
        x = torch.relu(linear(p, l, x))
    return F.binary_cross_entropy_with_logits(linear(p, "2", x), y)


def network(peer, workload):
    """How to make fresh training steps of a network."""
    cost = {"cnn": cnn, "gru": gru, "transformer": transformer, "embedding": embedding, "table": table}[workload]
    start_params, data = common.network(workload)
    batches = [(torch.from_numpy(np.array(x)), torch.from_numpy(np.array(y))) for x, y in data]

    # what is compiled is forward and backward; the update is the fused one
    if peer == "torch.compile":
        cost = compiled(cost)

    def step(params, optimizer, x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = cost(params, x, y)
        loss.backward()
        optimizer.step()
        return loss

    def start():
        params = {name: torch.from_numpy(a.copy()).requires_grad_() for name, a in start_params.items()}
        optimizer = torch.optim.Adam(list(params.values()), lr=1e-3, fused=True)
        if workload == "cnn":
            for l, n in ("1", 16), ("2", 32):
                params[f"mean{l}"], params[f"var{l}"] = torch.zeros(n), torch.ones(n)
        return Train(params, optimizer, step, batches)

    return start


class Call:
    """A function without state, called again and again."""

    def __init__(self, function, check):
        self.function, self.checker = function, check
        self.result = None

    def step(self):
        self.result = self.function()

    def finish(self):
        return 0.0

    def check(self):
        return self.checker(self.result)


def gradient(peer, workload):
    """`chain` and `elementwise`: the gradient to x."""
    x = torch.from_numpy(common.chain_x() if workload == "chain" else common.elementwise_x())
    function = chain if workload == "chain" else elementwise
    if peer == "PyTorch":
        x.requires_grad_()
        call = lambda: torch.autograd.grad(function(x), x)[0]
    else:
        compiled_gradient = compiled(torch.func.grad(function))
        call = lambda: compiled_gradient(x)
    check = (lambda g: float(g.sum())) if workload == "chain" else (lambda g: 1e6 * squares([g]))
    return lambda: Call(call, check)


def hvp(peer):
    sizes, size = common.MLPS["hvp"]
    params = tensors(common.layers(sizes))
    direction = tensors(common.directions(sizes))
    x, y = map(torch.from_numpy, common.batches(size, sizes[0])[0])

    # backward twice: faster than forward over backward, in both ways
    def product(params):
        for p in params:
            p.requires_grad_()
        grads = torch.autograd.grad(cross_entropy(params, x, y), params, create_graph=True)
        return torch.autograd.grad(grads, params, grad_outputs=direction)

    def functional(params, direction, x, y):
        def slope(params):
            grads = torch.func.grad(cross_entropy)(params, x, y)
            return sum((g * d).sum() for g, d in zip(grads, direction))

        return torch.func.grad(slope)(params)

    if peer == "PyTorch":
        call = lambda: product(params)
    else:
        whole = compiled(functional)
        call = lambda: whole(params, direction, x, y)
    return lambda: Call(call, squares)


def lanczos(peer):
    """Thirty steps of Lanczos' method with full reorthogonalisation; products over all rows at once."""
    sizes, size = common.MLPS["lanczos"]
    params = tensors(common.layers(sizes))
    batches = common.batches(size, sizes[0])
    x = torch.from_numpy(np.concatenate([x for x, _ in batches]))
    y = torch.from_numpy(np.concatenate([y for _, y in batches]))
    shapes = [p.shape for p in params]
    lengths = [p.numel() for p in params]
    start = torch.randn(sum(lengths), generator=torch.Generator().manual_seed(0))

    def cost(params):
        return F.cross_entropy(forward(params, x, torch.tanh), y)

    def eager(v):
        direction = [d.view(shape) for d, shape in zip(v.split(lengths), shapes)]
        for p in params:
            p.requires_grad_()
        grads = torch.autograd.grad(cost(params), params, create_graph=True)
        product = torch.autograd.grad(grads, params, grad_outputs=direction)
        return torch.cat([p.reshape(-1) for p in product])

    def functional(params, v):
        def slope(params):
            grads = torch.func.grad(cost)(params)
            return sum((g.reshape(-1) * d).sum() for g, d in zip(grads, v.split(lengths)))

        return torch.cat([p.reshape(-1) for p in torch.func.grad(slope)(params)])

    if peer == "PyTorch":
        product = eager
    else:
        whole = compiled(functional)
        product = lambda v: whole(params, v)

    def run():
        basis, alphas, betas = [start / start.norm()], [], []
        for step in range(30):
            w = product(basis[-1])
            alphas.append(float(basis[-1] @ w))
            q = torch.stack(basis)
            for _ in range(2):
                w = w - q.T @ (q @ w)
            betas.append(float(w.norm()))
            basis.append(w / betas[-1])
        t = torch.diag(torch.tensor(alphas, dtype=torch.float64))
        off = torch.diag(torch.tensor(betas[:-1], dtype=torch.float64), 1)
        return torch.linalg.eigvalsh(t + off + off.T)[-1]

    return lambda: Call(run, float)


class Update:
    """Steps of the fused AdamW over ten million numbers, whose gradient does not change."""

    def __init__(self):
        # cloned into memory that PyTorch allocates, as a model's parameters are
        self.theta = torch.from_numpy(common.signed(1, 10_000_000)).clone().requires_grad_()
        self.theta.grad = torch.from_numpy(common.signed(2, 10_000_000)).clone()
        self.optimizer = torch.optim.AdamW([self.theta], lr=1e-3, fused=True)

    def step(self):
        self.optimizer.step()

    def finish(self):
        return float(self.theta.detach()[0])

    def check(self):
        return squares([self.theta.detach()]) / 1e6


class Network(torch.nn.Module):
    """A module, so that the compiler may take its weights for constants."""

    def __init__(self, params):
        super().__init__()
        self.params = torch.nn.ParameterList(params)

    def forward(self, x):
        return forward(self.params, x, torch.relu)


def infer(peer, workload):
    sizes, rows = common.MLPS[workload]
    params = tensors(common.layers(sizes))
    x = torch.from_numpy(common.infer_x(rows))
    if peer == "PyTorch":
        call = lambda: forward(params, x, torch.relu)
    else:
        network = compiled(Network(params).eval(), freezing=True)
        call = lambda: network(x)
    return lambda: Call(call, lambda logits: float(logits.double().sum()))


def run(peer, workload, threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    mode = torch.enable_grad()
    if workload in ("chain", "elementwise"):
        start = gradient(peer, workload)
    elif workload == "hvp":
        start = hvp(peer)
    elif workload == "lanczos":
        start = lanczos(peer)
    elif workload == "adamw":
        if peer == "torch.compile":
            raise common.Unsupported
        start = Update
    elif workload in common.NETWORKS:
        start = network(peer, workload)
    elif workload.startswith("infer"):
        start = infer(peer, workload)
        mode = torch.inference_mode()
    else:
        start = train(peer, workload)
    if peer == "torch.compile" and not workload.startswith("infer") and workload not in common.NETWORKS:
        # its gradients are `torch.func`'s
        mode = torch.no_grad()
    with mode:
        common.report(peer, torch.__version__.split("+")[0], workload, threads, start)


if __name__ == "__main__":
    common.main(["PyTorch", "torch.compile"], run)
