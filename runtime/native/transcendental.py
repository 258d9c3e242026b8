"""exp, log, tanh, erf, sigmoid, sin and cos: vector polynomials in f32, the C library in f64.

tests/unit/test_native_math.py measures each: at most 4 units in the last place from the true value over all of f32.
"""

from __future__ import annotations

from collections.abc import Sequence

from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.native.lanes import Lanes

#: exp on [-ln2/2, ln2/2] within 3.1e-9 of its value (least maximum of the relative error), highest power first.
_EXP = (0.0013814539415761828, 0.00836874544620514, 0.04166838899254799, 0.1666652113199234, 0.4999999403953552, 1, 1)
_LOG2_E = 1.4426950408889634
#: Where k is -254: both factors of 2^k are then 0. A product that rounds to 0 can take hundreds of cycles.
_ZERO_BELOW = -176.0
#: Added to a small f32, rounds it to an integer, which its last bits then hold beside 254, twice the exponent's bias.
_TO_INTEGER = 1.5 * 2**23 + 254
#: (log(1 + x) - x + x^2/2) / x^3 for 1 + x from sqrt(1/2) to sqrt(2) (Cephes).
_LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
#: (tanh(x) - x) / x^3 in powers of x^2, below 0.625 (Cephes).
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
#: (erf(x) - x) / x in powers of x^2, below 0.927734375; above, log(1 - erf(x)) in powers of x without the last -x.
_ERF_SMALL = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
_ERF_LARGE = (-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1,
              -1.28717512e-1)  # fmt: skip
#: Taylor's series of sin(x)/x - 1 over x^2, and of cos(x) - 1 over x^2, in powers of x^2.
_SIN = (-1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6)
_COS = (1 / 479001600, -1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2)
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
#: Above this an f64 has too few bits left for the part of a turn.
_TURNS = 2.0**28


def polynomial(lanes: Lanes, x: str, coefficients: Sequence[float]) -> str:
    """Horner's rule, highest power first."""
    p = lanes.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        p = lanes.add_product(p, x, lanes.constant(coefficient))
    return p


def transcendental(lanes: Lanes, fn: str, x: str) -> str:
    """The function's value in every lane."""
    if fn == "sigmoid":
        return _sigmoid(lanes, x)
    return lanes.libm(fn, x) if lanes.bits == 64 else FUNCTIONS[fn](lanes, x)


def _exp(lanes: Lanes, x: str) -> str:
    """e^x within 1 ulp: 2^k times a polynomial of what is left of x; k beyond the range of f32 gives 0 or inf."""
    e, c = lanes.e, lanes.constant
    if e.cpu.vector_bytes == 64 and lanes.width == 16:
        return _exp_scaled(lanes, x)
    for test, bound in (("olt", c(_ZERO_BELOW)), ("ogt", c(89.0))):
        x = lanes.select(lanes.two(f"fcmp {test}", x, bound), bound, x)
    shifted = lanes.add_product(x, c(_LOG2_E), c(_TO_INTEGER))  # its last bits are k + 254
    p = polynomial(lanes, _exp_rest(lanes, x, lanes.two("fsub", shifted, c(_TO_INTEGER))), _EXP)
    # The exponents of 2^(k/2), rounded down, and of what is left of 2^k; k by itself may have no exponent.
    k, bits = e.op(f"bitcast {lanes.type} {shifted} to {lanes.word}"), "splat (i32 23)"
    half = e.op(f"shl {lanes.word} {e.op(f'lshr {lanes.word} {k}, splat (i32 1)')}, {bits}")
    for part in (half, e.op(f"sub {lanes.word} {e.op(f'shl {lanes.word} {k}, {bits}')}, {half}")):
        p = lanes.two("fmul", p, e.op(f"bitcast {lanes.word} {part} to {lanes.type}"))
    return p


def _exp_scaled(lanes: Lanes, x: str) -> str:
    """The same where instructions of AVX-512 scale by any k, and bound the rest."""
    e, c = lanes.e, lanes.constant
    power = lanes.intrinsic("roundeven", lanes.two("fmul", x, c(_LOG2_E)))
    rest = f"{lanes.type} {_exp_rest(lanes, x, power)}"
    # The smaller magnitude, with the rest's sign; a rest of no use for infinite x does not matter.
    args = (rest, f"{lanes.type} {c(0.5)}", "i32 2", f"{lanes.type} poison", "i16 -1", "i32 4")
    p = polynomial(lanes, e.call("x86.avx512.mask.range.ps.512", lanes.type, *args), _EXP)
    args = (f"{lanes.type} {p}", f"{lanes.type} {power}", f"{lanes.type} poison", "i16 -1", "i32 4")
    return e.call("x86.avx512.mask.scalef.ps.512", lanes.type, *args)


def _exp_rest(lanes: Lanes, x: str, power: str) -> str:
    """x without `power` times ln 2, which is taken off in two parts."""
    rest = lanes.add_product(power, lanes.constant(-0.693359375), x)
    return lanes.add_product(power, lanes.constant(2.12194440e-4), rest)


def _log(lanes: Lanes, x: str) -> str:
    """Exponent times ln 2 plus a polynomial of the mantissa; subnormals are scaled up first."""
    e, c, word = lanes.e, lanes.constant, lanes.word
    tiny = lanes.two("fcmp olt", x, c(2.0**-126))
    scaled = lanes.select(tiny, lanes.two("fmul", x, c(2.0**23)), x)
    bits = e.op(f"bitcast {lanes.type} {scaled} to {word}")
    mantissa = e.op(f"or {word} {e.op(f'and {word} {bits}, splat (i32 {0x7FFFFF})')}, splat (i32 {126 << 23})")
    m = e.op(f"bitcast {word} {mantissa} to {lanes.type}")
    low = lanes.two("fcmp olt", m, c(0.70710678118654752))
    shift = e.op(f"select {lanes.mask} {tiny}, {word} splat (i32 149), {word} splat (i32 126)")
    k = e.op(f"sub {word} {e.op(f'lshr {word} {bits}, splat (i32 23)')}, {shift}")
    k = e.op(f"sub {word} {k}, {e.op(f'zext {lanes.mask} {low} to {word}')}")
    power = e.op(f"sitofp {word} {k} to {lanes.type}")
    m = lanes.two("fsub", lanes.select(low, lanes.two("fadd", m, m), m), c(1))
    square = lanes.two("fmul", m, m)
    y = lanes.two("fmul", polynomial(lanes, m, _LOG), lanes.two("fmul", m, square))
    y = lanes.add_product(power, c(-2.12194440e-4), y)
    y = lanes.two("fadd", m, lanes.add_product(square, c(-0.5), y))
    y = lanes.add_product(power, c(0.693359375), y)
    y = lanes.select(lanes.two("fcmp ueq", x, c(float("inf"))), x, y)  # infinity and NaN as they are
    y = lanes.select(lanes.two("fcmp olt", x, c(0)), c(float("nan")), y)
    return lanes.select(lanes.two("fcmp oeq", x, c(0)), c(float("-inf")), y)


def _sigmoid(lanes: Lanes, x: str) -> str:
    """With e^-|x|, which cannot overflow."""
    small = transcendental(lanes, "exp", lanes.e.op(f"fneg {lanes.type} {lanes.intrinsic('fabs', x)}"))
    top = lanes.select(lanes.two("fcmp oge", x, lanes.constant(0)), lanes.constant(1), small)
    return lanes.two("fdiv", top, lanes.two("fadd", small, lanes.constant(1)))


def _tanh(lanes: Lanes, x: str) -> str:
    """1 - 2 / (e^2|x| + 1), a polynomial where that would cancel."""
    c, square = lanes.constant, lanes.two("fmul", x, x)
    near = lanes.add_product(lanes.two("fmul", polynomial(lanes, square, _TANH), square), x, x)
    size = lanes.intrinsic("fabs", x)
    power = lanes.two("fadd", _exp(lanes, lanes.two("fadd", size, size)), c(1))
    far = lanes.intrinsic("copysign", lanes.two("fsub", c(1), lanes.two("fdiv", c(2), power)), x)
    return lanes.select(lanes.two("fcmp olt", size, c(0.625)), near, far)


def _erf(lanes: Lanes, x: str) -> str:
    """A polynomial near 0; further out 1 - e^p, where p is a polynomial too."""
    c, square, size = lanes.constant, lanes.two("fmul", x, x), lanes.intrinsic("fabs", x)
    near = lanes.add_product(polynomial(lanes, square, _ERF_SMALL), x, x)
    size = lanes.select(lanes.two("fcmp ogt", size, c(4)), c(4), size)  # the result is 1, and e^p no subnormal
    p = lanes.add_product(polynomial(lanes, size, _ERF_LARGE), size, lanes.e.op(f"fneg {lanes.type} {size}"))
    far = lanes.intrinsic("copysign", lanes.two("fsub", c(1), _exp(lanes, p)), x)
    return lanes.select(lanes.two("fcmp ogt", size, c(0.927734375)), far, near)


def _turn(lanes: Lanes, fn: str, x: str) -> str:
    """sin or cos: quarter turns are taken off in f64, which needs no care; huge angles go to the C library."""
    e, wide = lanes.e, Lanes(lanes.e, BY_NAME["f64"], lanes.width)
    x = e.op(f"freeze {lanes.type} {x}")
    huge = lanes.two("fcmp ogt", lanes.intrinsic("fabs", x), lanes.constant(_TURNS))
    result = e.variable(lanes.type, "poison")

    def near() -> None:
        angle = e.op(f"fpext {lanes.type} {x} to {wide.type}")
        turns = wide.intrinsic("roundeven", wide.two("fmul", angle, wide.constant(1 / _HALF_PI[0])))
        for part in _HALF_PI:
            angle = wide.intrinsic("fma", turns, wide.constant(-part), angle)
        square = wide.two("fmul", angle, angle)
        sine = wide.intrinsic("fma", wide.two("fmul", polynomial(wide, square, _SIN), square), angle, angle)
        cosine = wide.intrinsic("fma", polynomial(wide, square, _COS), square, wide.constant(1))
        quarter = e.call(f"fptosi.sat.v{lanes.width}i32.{wide.suffix}", lanes.word, f"{wide.type} {turns}")
        quarter = e.op(f"add {lanes.word} {quarter}, splat (i32 {fn == 'cos':d})")
        odd, back = (
            e.op(f"icmp ne {lanes.word} {e.op(f'and {lanes.word} {quarter}, splat (i32 {bit})')}, zeroinitializer")
            for bit in (1, 2)
        )
        value = wide.select(odd, cosine, sine)
        value = wide.select(back, e.op(f"fneg {wide.type} {value}"), value)
        e.do(f"store {lanes.type} {e.op(f'fptrunc {wide.type} {value} to {lanes.type}')}, ptr {result}")

    far = e.call(f"vector.reduce.or.v{lanes.width}i1", "i1", f"{lanes.mask} {huge}")
    e.branch(far, lambda: e.do(f"store {lanes.type} {lanes.libm(fn, x)}, ptr {result}"), near)
    return e.op(f"load {lanes.type}, ptr {result}")


FUNCTIONS = {
    "exp": _exp,
    "log": _log,
    "tanh": _tanh,
    "erf": _erf,
    "sigmoid": _sigmoid,
    "sin": lambda lanes, x: _turn(lanes, "sin", x),
    "cos": lambda lanes, x: _turn(lanes, "cos", x),
}
