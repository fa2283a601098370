"""Writes oracle.csv: arguments and exact values, computed with 60 digits by mpmath.

    python3 oracle.py > oracle.csv

A row is: function, argument, nearest f64 to the exact value, and how far the exact value lies from that, in units in
the last place. Numbers are f64 bits in hexadecimal.
"""

import math
import random
import struct

from mpmath import mp, mpf

mp.dps = 60
random.seed(1)

RANGES = {  # function: (exact, ranges of the argument walked evenly, ranges walked by magnitude)
    "exp": (mp.exp, [(-745, 709.7), (-2, 2)], [(1e-20, 700)]),
    "exp_m1": (mp.expm1, [(-40, 709.7), (-2, 2)], [(1e-300, 700)]),
    "ln": (mp.log, [(0.5, 2), (0.99, 1.01)], [(5e-324, 1.7e308)]),
    "ln_1p": (mp.log1p, [(-0.9999, 2), (-0.01, 0.01)], [(1e-300, 1e308)]),
    "tanh": (mp.tanh, [(-22, 22), (-1, 1)], [(1e-300, 300)]),
    "sin": (mp.sin, [(-8192, 8192), (-8, 8)], [(1e-300, 8192)]),
    "cos": (mp.cos, [(-8192, 8192), (-8, 8)], [(1e-300, 8192)]),
    "erf": (mp.erf, [(-6.5, 6.5), (-3, 3)], [(1e-300, 6)]),
}
EACH = 150


def bits(x):
    return struct.pack(">d", x).hex()


for name, (exact, even, magnitudes) in RANGES.items():
    points = [low + (high - low) * random.random() for low, high in even for _ in range(EACH)]
    for low, high in magnitudes:
        for _ in range(EACH):
            x = math.exp(math.log(low) + (math.log(high) - math.log(low)) * random.random())
            points.append(x if name in ("ln", "ln_1p") or random.random() < 0.5 else -x)
    if name in ("sin", "cos"):  # next to the zeros, where the reduction must be exact
        points += [float(mp.pi * k / 2) for k in range(1, 5200, 97)]
    for x in points:
        y = exact(mpf(x))
        nearest = float(y)
        print(f"{name},{bits(x)},{bits(nearest)},{float((y - mpf(nearest)) / mpf(math.ulp(nearest))):.3f}")
