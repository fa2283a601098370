"""Compares training steps on two processes with PyTorch's DistributedDataParallel over Gloo, in one run.

    cargo build --release --manifest-path crates/mpi/Cargo.toml --examples
    python crates/mpi/peers/compare.py --rounds 5

It needs PyTorch and NumPy, and an MPI library. The contenders take turns, round by round; the table has medians. `weak`
gives each process as many rows as the others share.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
STEPS = {"mlp_small": 2000, "mlp_big": 400, "wide": 40}


def contenders(program):
    mpirun = ["mpirun", "-n", "2", "--oversubscribe", "--bind-to", "core"]
    ddp = [sys.executable, str(HERE / "ddp.py")]
    return {
        "1 rank × 1 thread": [program],
        "1 rank × 2 threads": [program, "--threads=2"],
        "2 ranks × 1 thread": [*mpirun, program],
        "PyTorch DDP, 2 × 1": ddp,
        "2 ranks, weak": [*mpirun, program, "--weak"],
        "PyTorch DDP, weak": [*ddp, "--weak"],
    }


def run(command, network, steps, tries=3):
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    for _ in range(tries):  # PyTorch's processes abort at their end now and then, after they have printed
        done = subprocess.run(
            [*command, network, f"--steps={steps}"], capture_output=True, text=True, env={**os.environ, **allowed}
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if lines:
            return json.loads(lines[-1])
    sys.exit(f"{command} {network}: {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=str(HERE.parent / "target/release/examples/speed_mpi"))
    settings = parser.parse_args()
    results = {}
    for _ in range(settings.rounds):
        for network, steps in STEPS.items():
            for name, command in contenders(settings.program).items():
                few = max(20, steps // 10) if "PyTorch" in name and network == "mlp_small" else steps
                results.setdefault((network, name), []).append(run(command, network, few))
    for network in STEPS:
        print(f"\n{network}\n{'':22} {'steps/s':>10} {'kB sent/step':>13} {'messages':>9} {'loss':>12}")
        for name in contenders(""):
            rounds = results[network, name]
            speed = statistics.median(r["steps_per_s"] for r in rounds)
            sent = rounds[0].get("bytes_per_step")
            share = statistics.median(r.get("share_of_messages", float("nan")) for r in rounds)
            print(
                f"{name:22} {speed:10.1f} {'' if sent is None else f'{sent / 1e3:.0f}':>13}"
                f" {'' if share != share else f'{100 * share:.0f} %':>9} {rounds[0]['loss']:12.6g}"
            )
        of = lambda name: statistics.median(r["steps_per_s"] for r in results[network, name])
        print(f"2 ranks are {of('2 ranks × 1 thread') / of('PyTorch DDP, 2 × 1'):.1f} times as fast as DDP", end="; ")
        print(f"weak scaling: {100 * of('2 ranks, weak') / of('1 rank × 1 thread'):.0f} %", end=", ")
        print(f"{of('2 ranks, weak') / of('PyTorch DDP, weak'):.1f} times as fast as DDP")


if __name__ == "__main__":
    main()
