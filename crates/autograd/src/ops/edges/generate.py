"""Writes edges.tsv: each elementwise function of one number, and its first two derivatives, at the edges of its domain,
at zeros and infinities, and at the smallest and largest numbers, computed with 80 digits (mpmath).

Where a number has no derivative, or the function no value, stands what the function's page says; at ±∞, the limit.
A line: function, setting or -, type, x, y, dy/dx, d²y/dx². `any` is not looked at.
Run it in this folder: python generate.py
"""

import struct

from mpmath import mp, mpf, exp, expm1, log, log1p, sqrt, erf, sin, cos, tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, tanh, pi, inf, nan

mp.dps = 80
# e^(−x) of a large x would take all memory
BIG = mpf(10) ** 5


def e(x):
    return mpf(0) if x < -BIG else (mpf(inf) if x > BIG else exp(x))


def sig(x):
    return 1 / (1 + e(-x)) if x > -BIG else mpf(0)


def softplus(x):
    return x + log1p(e(-x)) if x > 0 else log1p(e(x))


def th(x):
    return mpf(1 if x > 0 else -1) if abs(x) > BIG else tanh(x)


def sech2(x):
    return mpf(0) if abs(x) > BIG else 1 / cosh(x) ** 2


def phi(x):
    return e(-x * x / 2) / sqrt(2 * pi)


def Phi(x):
    return mp.ncdf(x) if abs(x) < 1000 else mpf(1 if x > 0 else 0)


def sh(x):
    return mpf(inf if x > 0 else -inf) if abs(x) > BIG else sinh(x)


def ch(x):
    return mpf(inf) if abs(x) > BIG else cosh(x)


def mish2(x):
    s, w = sig(x), th(softplus(x))
    q = sech2(softplus(x))
    return q * s * (2 + x * (1 - s) - 2 * x * w * s)


def gelu_tanh(x):
    u = sqrt(2 / pi) * (x + mpf(0.044715) * x ** 3)
    v = sqrt(2 / pi) * (1 + 3 * mpf(0.044715) * x ** 2)
    w = sqrt(2 / pi) * 6 * mpf(0.044715) * x
    t, q = th(u), sech2(u)
    # 1 + tanh u without cancellation
    one = 2 * sig(2 * u)
    return x * one / 2, one / 2 + x * q * v / 2, q * v + x * (q * w - 2 * t * q * v * v) / 2


A, S = mpf(1.6732632423543772), mpf(1.0507009873554805)
real = lambda x: True
ANY = "any"
CASES = {
    # name: (setting, domain, f, f', f'', at −∞, at ∞, {special x: values}); None: no such limit
    "recip": (None, lambda x: x != 0, lambda x: (1 / x, -1 / x ** 2, 2 / x ** 3), (0, 0, 0), (0, 0, 0), {0: (inf, -inf, inf)}),
    "exp": (None, real, lambda x: (e(x),) * 3, (0, 0, 0), (inf, inf, inf), {}),
    "exp_m1": (None, real, lambda x: (e(x) - 1 if abs(x) > 1 else expm1(x), e(x), e(x)), (-1, 0, 0), (inf, inf, inf), {}),
    "ln": (None, lambda x: x > 0, lambda x: (log(x), 1 / x, -1 / x ** 2), None, (inf, 0, 0), {0: (-inf, inf, -inf)}),
    "ln_1p": (None, lambda x: x > -1, lambda x: (log1p(x), 1 / (1 + x), -1 / (1 + x) ** 2), None, (inf, 0, 0), {-1: (-inf, inf, -inf)}),
    "sqrt": (None, lambda x: x > 0, lambda x: (sqrt(x), 1 / (2 * sqrt(x)), -1 / (4 * x * sqrt(x))), None, (inf, 0, 0), {0: (0, inf, -inf)}),
    "rsqrt": (None, lambda x: x > 0, lambda x: (1 / sqrt(x), -1 / (2 * x * sqrt(x)), 3 / (4 * x * x * sqrt(x))), None, (0, 0, 0), {0: (inf, -inf, inf)}),
    "square": (None, real, lambda x: (x * x, 2 * x, mpf(2)), (inf, -inf, 2), (inf, inf, 2), {}),
    "erf": (None, real, lambda x: (erf(x), 2 / sqrt(pi) * e(-x * x), -4 * x / sqrt(pi) * e(-x * x)), (-1, 0, 0), (1, 0, 0), {}),
    "sin": (None, real, lambda x: (sin(x), cos(x), -sin(x)), (nan,) * 3, (nan,) * 3, {}),
    "cos": (None, real, lambda x: (cos(x), -sin(x), -cos(x)), (nan,) * 3, (nan,) * 3, {}),
    "tan": (None, real, lambda x: (tan(x), 1 + tan(x) ** 2, 2 * tan(x) * (1 + tan(x) ** 2)), (nan,) * 3, (nan,) * 3, {}),
    "asin": (None, lambda x: abs(x) < 1, lambda x: (asin(x), 1 / sqrt(1 - x * x), x / (1 - x * x) ** 1.5), None, None, {1: (pi / 2, inf, inf), -1: (-pi / 2, inf, -inf)}),
    "acos": (None, lambda x: abs(x) < 1, lambda x: (acos(x), -1 / sqrt(1 - x * x), -x / (1 - x * x) ** 1.5), None, None, {1: (0, -inf, -inf), -1: (pi, -inf, inf)}),
    "atan": (None, real, lambda x: (atan(x), 1 / (1 + x * x), -2 * x / (1 + x * x) ** 2), (-pi / 2, 0, 0), (pi / 2, 0, 0), {}),
    "sinh": (None, real, lambda x: (sh(x), ch(x), sh(x)), (-inf, inf, -inf), (inf, inf, inf), {}),
    "cosh": (None, real, lambda x: (ch(x), sh(x), ch(x)), (inf, -inf, inf), (inf, inf, inf), {}),
    "asinh": (None, real, lambda x: (asinh(x), 1 / sqrt(x * x + 1), -x / (x * x + 1) ** 1.5), (-inf, 0, 0), (inf, 0, 0), {}),
    "acosh": (None, lambda x: x > 1, lambda x: (acosh(x), 1 / sqrt(x * x - 1), -x / (x * x - 1) ** 1.5), None, (inf, 0, 0), {1: (0, inf, -inf)}),
    "atanh": (None, lambda x: abs(x) < 1, lambda x: (atanh(x), 1 / (1 - x * x), 2 * x / (1 - x * x) ** 2), None, None, {1: (inf, inf, inf), -1: (-inf, inf, -inf)}),
    "tanh": (None, real, lambda x: (th(x), sech2(x), -2 * th(x) * sech2(x)), (-1, 0, 0), (1, 0, 0), {}),
    "sigmoid": (None, real, lambda x: (sig(x), sig(x) * sig(-x), sig(x) * sig(-x) * (sig(-x) - sig(x))), (0, 0, 0), (1, 0, 0), {}),
    "relu": (None, real, lambda x: (x if x > 0 else 0, 1 if x > 0 else 0, 0), (0, 0, 0), (inf, 1, 0), {0: (0, 0, 0)}),
    "leaky_relu": (0.1, real, lambda x: (x if x > 0 else x * mpf(0.1), 1 if x > 0 else mpf(0.1), 0), (-inf, mpf(0.1), 0), (inf, 1, 0), {0: (0, mpf(0.1), 0)}),
    "elu": (0.7, real, lambda x: (x, 1, 0) if x > 0 else (mpf(0.7) * expm1(max(x, -BIG)), mpf(0.7) * e(x), mpf(0.7) * e(x)), (mpf(-0.7), 0, 0), (inf, 1, 0), {0: (0, mpf(0.7), mpf(0.7))}),
    "selu": (None, real, lambda x: (S * x, S, 0) if x > 0 else (S * A * expm1(max(x, -BIG)), S * A * e(x), S * A * e(x)), (-S * A, 0, 0), (inf, S, 0), {0: (0, S * A, S * A)}),
    "gelu": (None, real, lambda x: (x * Phi(x), Phi(x) + x * phi(x), phi(x) * (2 - x * x)), (0, 0, 0), (inf, 1, 0), {}),
    "gelu_tanh": (None, real, gelu_tanh, (0, 0, 0), (inf, 1, 0), {}),
    "silu": (None, real, lambda x: (x * sig(x), sig(x) * (1 + x * sig(-x)), sig(x) * sig(-x) * (2 + x * (sig(-x) - sig(x)))), (0, 0, 0), (inf, 1, 0), {}),
    "softplus": (None, real, lambda x: (softplus(x), sig(x), sig(x) * sig(-x)), (0, 0, 0), (inf, 1, 0), {}),
    "logsigmoid": (None, real, lambda x: (-softplus(-x), sig(-x), -sig(x) * sig(-x)), (-inf, 1, 0), (0, 0, 0), {}),
    "mish": (None, real, lambda x: (x * th(softplus(x)), th(softplus(x)) + x * sech2(softplus(x)) * sig(x), mish2(x)), (0, 0, 0), (inf, 1, 0), {}),
    "softsign": (None, real, lambda x: (x / (1 + abs(x)), 1 / (1 + abs(x)) ** 2, -2 * mp.sign(x) / (1 + abs(x)) ** 3), (-1, 0, 0), (1, 0, 0), {0: (0, 1, 0)}),
    "abs": (None, real, lambda x: (abs(x), mp.sign(x), 0), (inf, -1, 0), (inf, 1, 0), {0: (0, 0, 0)}),
    "sign": (None, real, lambda x: (mp.sign(x), 0, 0), (-1, 0, 0), (1, 0, 0), {}),
}


def power(p):
    whole = p == int(p)

    def f(x):
        terms = [mpf(1), mpf(p), mpf(p) * (p - 1)]
        return tuple(c * x ** (p - k) if c else mpf(0) for k, c in enumerate(terms))

    def at_zero():
        def term(c, q):
            return 0 if c == 0 else (c if q == 0 else (0 if q > 0 else (inf if c > 0 else -inf)))
        return term(1, p), term(p, p - 1), term(p * (p - 1), p - 2)

    def at_infinity(sign):
        def term(c, q):
            s = c * (sign ** abs(int(q)) if whole else 1)
            return 0 if c == 0 or q < 0 else (c if q == 0 else (inf if s > 0 else -inf))
        return term(1, p), term(p, p - 1), term(p * (p - 1), p - 2)

    # C's pow, and with it every library's, takes −∞ for ∞ where p is no whole number
    minus = at_infinity(-1) if whole else (inf if p > 0 else 0, ANY, ANY)
    return (p, (lambda x: x != 0) if whole else (lambda x: x > 0), f, minus, at_infinity(1), {0: at_zero()})


def points(kind):
    small, tiny, largest, eps = ("1.1754943508222875e-38", "1.401298464324817e-45", "3.4028234663852886e38", 2.0 ** -23) if kind == "f32" else ("2.2250738585072014e-308", "5e-324", "1.7976931348623157e308", 2.0 ** -52)
    sizes = [float(s) for s in (tiny, small)] + [1e-30, 1e-20, 1e-8, 1e-4, 1e-2, 0.5, 1 - eps / 2, 1.0, 1 + eps, 2.0, 4.0, 6.0, 10.0, 20.0, 25.0, 40.0, 80.0, 100.0, 500.0, 1e4, 1e9, 1e20, float(largest)]
    if kind == "f32":
        sizes = [struct.unpack("f", struct.pack("f", s))[0] for s in sizes]
    return [x for s in sizes for x in (s, -s)] + [0.0, -0.0, float("inf"), float("-inf"), float("nan")]


def text(y):
    if isinstance(y, str):
        return y
    y = mpf(y)
    if y != y:
        return "NaN"
    if abs(y) > mpf("1.7976931348623158e308"):
        return "inf" if y > 0 else "-inf"
    return repr(float(y))


def main():
    rows = []
    cases = dict(CASES)
    for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -0.5, -1.0, -2.0):
        cases[f"pow {p}"] = power(p)
    for name, (setting, domain, f, minus, plus, special) in cases.items():
        outside = ("NaN", ANY, ANY)
        for kind in ("f32", "f64"):
            for x in points(kind):
                if x != x:
                    values = (1, 0, 0) if name == "pow 0.0" else ((nan, ANY, ANY))
                elif x == float("inf"):
                    values = plus or outside
                elif x == float("-inf"):
                    values = minus or outside
                elif x in special:
                    values = special[x]
                elif domain(mpf(x)):
                    values = f(mpf(x))
                else:
                    values = outside
                rows.append("\t".join([name.split()[0], "-" if setting is None else repr(setting), kind, repr(x), *map(text, values)]))
    with open("edges.tsv", "w") as file:
        file.write("\n".join(rows) + "\n")
    print(len(rows), "lines")


main()
