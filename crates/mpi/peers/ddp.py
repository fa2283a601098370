"""Training steps of the benchmarks' MLPs by PyTorch's DistributedDataParallel over Gloo, one process a rank.

    python ddp.py mlp_small --ranks 2 --steps 200

It starts from the same numbers as `speed_mpi`, and prints the same line.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench" / "peers" / "python"))
import common
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel


def model(sizes):
    layers = []
    for weight, bias in common.layers(sizes):
        linear = torch.nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def optimizer(network, parameters):
    if network == "mlp_small":
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    if network == "mlp_big":
        return torch.optim.Adam(parameters, lr=1e-3, fused=True)
    return torch.optim.SGD(parameters, lr=0.01)


def rank_of(rank, settings):
    torch.set_num_threads(settings.threads)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(settings.port))
    dist.init_process_group("gloo", rank=rank, world_size=settings.ranks)
    sizes, rows = common.MLPS[settings.network]
    rows *= settings.ranks if settings.weak else 1
    own = slice(rank * rows // settings.ranks, (rank + 1) * rows // settings.ranks)
    batches = [
        (torch.from_numpy(x[own].copy()), torch.from_numpy(y[own].copy())) for x, y in common.batches(rows, sizes[0])
    ]
    net = DistributedDataParallel(model(sizes), gradient_as_bucket_view=True)
    steps = optimizer(settings.network, net.parameters())
    warm_up = settings.steps // 10
    for step in range(warm_up + settings.steps):
        if step == warm_up:
            dist.barrier()
            start = time.perf_counter()
        x, y = batches[step % 16]
        steps.zero_grad(set_to_none=False)
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        steps.step()
    dist.barrier()
    seconds = time.perf_counter() - start
    dist.all_reduce(loss.detach_())
    if rank == 0:
        print(
            json.dumps(
                {
                    "network": settings.network,
                    "ranks": settings.ranks,
                    "threads": settings.threads,
                    "steps_per_s": settings.steps / seconds,
                    "loss": loss.item() / settings.ranks,
                }
            )
        )
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", choices=["mlp_small", "mlp_big", "wide"])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--weak", action="store_true", help="as many rows for each rank as else for all")
    parser.add_argument("--port", type=int, default=29511)
    settings = parser.parse_args()
    processes.spawn(rank_of, (settings,), nprocs=settings.ranks)
