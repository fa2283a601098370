#!/usr/bin/env python3
"""Runs the benchmark's workloads in this project and in its peers, and prints the comparison as Markdown.

    python3 crates/bench/peers/compare.py --python VENV/bin/python

needs an environment with `pip install torch jax numpy`; without `--python` only the Rust peers are run.
"""

import argparse
import collections
import datetime
import json
import math
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
WORKLOADS = ["mlp_big", "mlp_small", "tiny", "chain", "elementwise", "wide", "hvp", "lanczos", "infer_b1", "infer_b128",
             "adamw", "cnn", "gru", "transformer", "embedding", "table"]
OURS, FUSED, LIMIT = "gradus", "gradus, fused", "products"
RUST, TORCH, JAX = ["candle", "dfdx", "rust-autograd"], ["PyTorch", "torch.compile"], ["JAX"]
# the order of running and of the tables' rows
PEERS = [OURS, FUSED, *TORCH, *JAX, *RUST, LIMIT]
# workload, whose time, how many times as fast as the best of which peers
TARGETS = [
    ("mlp_big", OURS, 1.1, TORCH + JAX + RUST),
    ("mlp_small", OURS, 1.5, TORCH + JAX + RUST),
    ("tiny", OURS, 3.0, TORCH + JAX + RUST),
    ("chain", OURS, 1.5, TORCH + JAX + RUST),
    ("elementwise", OURS, 1.2, TORCH + RUST),
    ("elementwise", FUSED, 1.0, JAX),
    ("wide", OURS, 1.1, TORCH + JAX + RUST),
    ("hvp", OURS, 1.5, TORCH + JAX + RUST),
    ("infer_b1", OURS, 1.2, TORCH + JAX + RUST),
    ("infer_b128", OURS, 1.2, TORCH + JAX + RUST),
    ("adamw", OURS, 1.0, TORCH),
    ("cnn", OURS, 2.0, TORCH + JAX + RUST),
    ("gru", OURS, 1.2, TORCH + JAX + RUST),
    ("transformer", OURS, 1.2, TORCH + JAX + RUST),
    ("embedding", OURS, 1.0, TORCH + JAX + RUST),
    ("table", OURS, 1.2, TORCH + JAX + RUST),
]
# a run that takes longer (in seconds) hangs
TIMEOUT = 900
# not to be passed on: they would choose the number of threads, or kernels, in the peers' place
UNSET = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
         "RAYON_NUM_THREADS", "XLA_FLAGS", "CARGO_TARGET_DIR"]


def environment():
    return {name: value for name, value in os.environ.items() if name not in UNSET}


def command(peer, workload, threads, python):
    """What to run; none where there is nothing to run."""
    threads = str(threads)
    if peer == OURS:
        return [ROOT / "target/release/bench", workload, threads]
    if peer == FUSED:
        return [ROOT / "target/release/bench", "elementwise_fused", threads] if workload == "elementwise" else None
    if peer in RUST:
        return [HERE / "rust/target/release/peer", peer, workload, threads]
    if not python:
        return None
    if peer == LIMIT:
        products = workload in ("mlp_big", "mlp_small", "wide")
        return [python, HERE / "python/limit.py", workload, threads] if products else None
    script = "jax_peer.py" if peer in JAX else "pytorch.py"
    return [python, HERE / "python" / script, peer, workload, threads]


def build(peers):
    """Builds what is asked for; gives the peers that can be run."""
    folders = [(ROOT, ["-p", "bench"], {OURS, FUSED}), (HERE / "rust", [], set(RUST))]
    for folder, arguments, built in folders:
        if built.isdisjoint(peers):
            continue
        done = subprocess.run(["cargo", "build", "--release", *arguments], cwd=folder, env=environment()) \
            if folder.is_dir() else None
        if done is None or done.returncode:
            print(f"{folder} cannot be built: left out", file=sys.stderr)
            peers = [peer for peer in peers if peer not in built]
    return peers


def watch_memory(pid, stop, peak):
    """Follows the peak memory (in kB) of a process.

    The `ru_maxrss` of `os.wait4` is never less than the memory of this script, from which the process was forked.
    """
    while True:
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak[0] = max(peak[0], int(line.split()[1]))
        except OSError:
            pass
        if stop.wait(0.25):
            return


def execute(arguments):
    """Runs a process: exit status, last line of output, errors, peak memory in MB."""
    peak, stop = [0], threading.Event()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(list(map(str, arguments)), stdout=subprocess.PIPE, stderr=errors,
                                   env=environment(), start_new_session=True)
        watcher = threading.Thread(target=watch_memory, args=(process.pid, stop, peak))
        watcher.start()
        killer = threading.Timer(TIMEOUT, lambda: os.killpg(process.pid, signal.SIGKILL))
        killer.start()
        try:
            output = process.stdout.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            killer.cancel()
            stop.set()
            watcher.join()
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = output.strip().splitlines()
        kilobytes = peak[0] or usage.ru_maxrss
        return process.returncode, lines[-1] if lines else "", errors.read().decode(errors="replace"), kilobytes / 1024


def machine():
    model = platform.processor()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    rustc = subprocess.run(["rustc", "--version"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "date": datetime.date.today().isoformat(), "rustc": rustc}


def measure(options):
    """Runs everything. The file is written after each run, so that a run cut short is not lost."""
    peers = [peer for peer in PEERS if peer in options.peers]
    if not options.no_build:
        peers = build(peers)
    data = {"machine": machine(), "runs": []}
    cells = [(threads, workload) for threads in options.threads for workload in options.workloads]
    runnable = lambda cell: [p for p in peers if command(p, cell[1], cell[0], options.python)]
    total = options.rounds * sum(len(runnable(cell)) for cell in cells)
    i, start = 0, time.monotonic()
    for threads, workload in cells:
        left = runnable((threads, workload))
        for n in range(options.rounds):
            for peer in list(left):
                i += 1
                status, line, errors, megabytes = execute(command(peer, workload, threads, options.python))
                run = {"peer": peer, "workload": workload, "threads": threads, "round": n, "status": status}
                try:
                    result = json.loads(line) if status == 0 else None
                except ValueError:
                    run["status"] = status = "no JSON"
                    result, errors = None, line
                if result:
                    run |= {**result, "peer": peer, "workload": workload, "megabytes": megabytes}
                    said = f"{number(run['value'])} {run['unit']}"
                else:
                    # it will not do better in the next round
                    left.remove(peer)
                    total -= options.rounds - 1 - n
                    said = "cannot" if status == 3 else f"failed ({status}): {' | '.join(errors.splitlines()[-3:])}"
                data["runs"].append(run)
                options.json.parent.mkdir(parents=True, exist_ok=True)
                options.json.write_text(json.dumps(data, indent=1, ensure_ascii=False))
                elapsed = time.monotonic() - start
                print(f"[{i} of {total}, {elapsed:.0f} s] {workload} {threads} {peer}: {said}", file=sys.stderr)
    return data


def number(value):
    """Four significant digits."""
    value = float(f"{value:.4g}")
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    print("\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]), end="\n\n")


class Cell:
    """What one peer reached in one workload, over all rounds."""

    def __init__(self, runs, reference):
        values = [run["value"] for run in runs]
        self.value = statistics.median(values)
        self.unit = runs[0]["unit"]
        self.noisy = (max(values) - min(values)) / self.value > 0.25
        # to four significant digits; the products alone compute nothing to compare
        checks = [run["check"] for run in runs if "check" in run]
        self.differs = reference is not None and \
            any(not math.isclose(check, reference, rel_tol=1e-4) for check in checks)

    def __str__(self):
        return number(self.value) + ("~" if self.noisy else "") + (" ≠" if self.differs else "")

    def speedup(self, other):
        """How many times as fast as the other."""
        ratio = self.value / other.value
        return ratio if self.unit in ("steps/s", "GFLOP/s") else 1 / ratio


def show(data):
    """Prints the tables."""
    good = [run for run in data["runs"] if run["status"] == 0]
    failed = {(r["threads"], r["workload"], r["peer"]): "failed" for r in data["runs"] if r["status"] not in (0, 3)}
    grouped = collections.defaultdict(list)
    for run in good:
        grouped[run["threads"], run["workload"], run["peer"]].append(run)
    cells = {}
    for (threads, workload, peer), runs in grouped.items():
        ours = grouped.get((threads, workload, OURS))
        cells[threads, workload, peer] = Cell(runs, ours[0]["check"] if ours else None)
    every = sorted({run["threads"] for run in good})
    workloads = [w for w in WORKLOADS if any(run["workload"] == w for run in good)]
    peers = [p for p in PEERS if any(run["peer"] == p for run in data["runs"])]
    units = {run["workload"]: run["unit"] for run in good}
    label = {LIMIT: "*products alone*", OURS: f"**{OURS}**", FUSED: f"**{FUSED}**"}

    for threads in every:
        print(f"### {threads} thread{'s' if threads > 1 else ''}\n")
        entry = lambda p, w: str(failed.get((threads, w, p)) or cells.get((threads, w, p), "–"))
        rows = [[label.get(p, p), *(entry(p, w) for w in workloads)] for p in peers]
        table(["", *(f"{w}<br>{units[w]}" for w in workloads)], rows)

    rows = []
    for workload, who, target, against in TARGETS:
        for threads in every:
            ours = cells.get((threads, workload, who))
            others = [(cells[threads, workload, p], p) for p in against if (threads, workload, p) in cells]
            if ours and others:
                best, name = max(others, key=lambda other: other[0].speedup(ours))
                ratio = ours.speedup(best)
                title = workload if who == OURS else f"{workload}, fused"
                rows.append([title, str(threads), f"{ours} {ours.unit}", f"{name} {best}", f"{ratio:.2f}",
                             f"{target:.1f}", "met" if ratio >= target else "**missed**"])
    if rows:
        print("### Targets\n")
        table(["workload", "threads", "ours", "best peer", "speed-up", "target", ""], rows)

    print("### Peak memory in MB\n")
    rows = []
    for p in peers:
        used = lambda w: [run["megabytes"] for run in good if run["peer"] == p and run["workload"] == w]
        rows.append([label.get(p, p), *(f"{max(used(w)):,.0f}" if used(w) else "–" for w in workloads)])
    table(["", *workloads], rows)

    print("""Values are medians of the rounds; `~`: the rounds spread over more than 25 %; `≠`: the check value differs from ours in
its first four digits (rust-autograd updates weights before the layer below has read them); `–`: not measured, or the
peer cannot do it. steps/s and GFLOP/s: higher is better; times: lower is better. "products alone" is what the step's
matrix products would reach with the best BLAS for each. `elementwise` has its target against the libraries that run
operation by operation or are written in Rust, the fused form against JAX's compiler. Peak memory is the largest of all
runs, for the Python peers with the interpreter and all that the library loads.
""")
    versions = {run["peer"]: run["version"] for run in good if run["peer"] not in (FUSED, LIMIT)}
    about = data["machine"]
    listed = ", ".join(f"{p} {versions[p]}" for p in peers if p in versions)
    print(f"{about['cpu']}, {about['cores']} cores, {about['date']}; {listed}; {about['rustc']}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the interpreter of an environment with torch, jax and numpy")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--workloads", nargs="+", default=WORKLOADS, choices=WORKLOADS, metavar="WORKLOAD")
    parser.add_argument("--peers", nargs="+", default=PEERS, choices=PEERS, metavar="PEER", help=f"of {PEERS}")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "target/compare.json", help="where runs are kept")
    parser.add_argument("--no-build", action="store_true", help="run the binaries that are there")
    parser.add_argument("--from", dest="source", type=pathlib.Path, help="print the tables of such a file again")
    options = parser.parse_args()
    show(json.loads(options.source.read_text()) if options.source else measure(options))


if __name__ == "__main__":
    main()
