"""Element-wise arithmetic on LLVM vectors: what each instruction of the table is in machine instructions."""

from __future__ import annotations

import struct

from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.native.emit import Emitter, unsupported, vector_type

_FLOAT_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "round": "roundeven",
                "log": "log", "sin": "sin", "cos": "cos", "tanh": "tanh", "pow": "pow"}  # fmt: skip
_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "div": "div", "fmod": "rem"}
_COMPARE = {"eq": ("oeq", "eq", "eq"), "ne": ("une", "ne", "ne"), "lt": ("olt", "slt", "ult"),
            "le": ("ole", "sle", "ule"), "gt": ("ogt", "sgt", "ugt"), "ge": ("oge", "sge", "uge")}  # fmt: skip
#: exp on [-ln2/2, ln2/2] within 3.1e-9 of its value (least maximum of the relative error), highest power first.
_EXP = (0.0013814539415761828, 0.00836874544620514, 0.04166838899254799, 0.1666652113199234, 0.4999999403953552, 1.0, 1.0)


class Lanes:
    """Arithmetic on `width` elements of one dtype. `wide` says that the CPU has AVX-512."""

    def __init__(self, emitter: Emitter, dtype: DType, width: int, wide: bool = False):
        self.e, self.dtype, self.width, self.wide = emitter, dtype, width, wide
        self.type = vector_type(dtype, width)
        self.suffix = f"v{width}{'i1' if dtype.kind == 'b' else ('f' if dtype.is_float else 'i') + str(dtype.size * 8)}"

    def constant(self, value: float | int) -> str:
        """The same number in every lane."""
        if self.dtype.kind == "b":
            text = "true" if value else "false"
        elif not self.dtype.is_float:
            text = str(int(value))
        elif self.dtype.name == "f16":
            text = "0xH" + struct.pack(">e", value).hex()
        else:
            rounded = struct.unpack("f", struct.pack("f", value))[0] if self.dtype.size == 4 else float(value)
            text = "0x" + struct.pack(">d", rounded).hex()
        return f"splat ({self.type.split(' x ')[1][:-1]} {text})"

    def splat(self, scalar: str) -> str:
        """A scalar value in every lane."""
        kind = self.type.split(" x ")[1][:-1]
        first = self.e.op(f"insertelement {self.type} poison, {kind} {scalar}, i64 0")
        return self.e.op(f"shufflevector {self.type} {first}, {self.type} poison, <{self.width} x i32> zeroinitializer")

    def intrinsic(self, name: str, *args: str, flags: str = "") -> str:
        return self.e.call(f"llvm.{name}.{self.suffix}", self.type, *(f"{self.type} {a}" for a in args), flags=flags)

    def two(self, name: str, a: str, b: str) -> str:
        return self.e.op(f"{name} {self.type} {a}, {b}")

    def arithmetic(self, fn: str, a: str, b: str) -> str:
        """add, sub, mul, div of floats, or the same of integers (which wrap)."""
        if self.dtype.kind == "b" or (not self.dtype.is_float and fn in ("div", "fmod")):
            raise unsupported(f"{fn} on {self.dtype}")
        return self.two(("f" if self.dtype.is_float else "") + _BINARY[fn], a, b)

    def extreme(self, fn: str, a: str, b: str) -> str:
        """min or max; a NaN wins, as in numpy."""
        if not self.dtype.is_float:
            return self.select(self.compare("gt" if fn == "max" else "lt", b, a), b, a)
        # its NaN test is of the first operand, which so need not wait for a running value
        return self.intrinsic(f"{fn}imum", b, a, flags="nsz ")

    def join(self, fn: str, a: str, b: str) -> str:
        """As `binary`, for running values: max and min ignore a NaN in `b`."""
        return self.select(self.compare("gt" if fn == "max" else "lt", b, a), b, a) if fn in ("max", "min") else self.binary(fn, a, b)

    def compare(self, fn: str, a: str, b: str) -> str:
        column = {"f": 0, "i": 1, "u": 2, "b": 2}[self.dtype.kind]
        return self.two(("fcmp " if self.dtype.is_float else "icmp ") + _COMPARE[fn][column], a, b)

    def select(self, mask: str, a: str, b: str) -> str:
        return self.e.op(f"select <{self.width} x i1> {mask}, {self.type} {a}, {self.type} {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fma", a, b, c) if self.dtype.is_float else self.two("add", self.two("mul", a, b), c)

    def relu(self, a: str) -> str:
        zero = self.constant(0)
        return self.select(self.compare("lt", a, zero), zero, a)

    def exp(self, x: str) -> str:
        """e^x of f32 within 1 ulp of the rounded value for normal results, 2^k apart: no table, no branch."""
        if self.dtype.name != "f32":
            return self.intrinsic("exp", x)
        c = self.constant
        low, high = c(-105.0), c(89.0)
        x = self.select(self.compare("lt", x, low), low, x)
        x = self.select(self.compare("gt", x, high), high, x)
        power = self.intrinsic("roundeven", self.two("fmul", x, c(1.4426950408889634)))
        rest = self.fma(power, c(-0.693359375), x)
        rest = self.fma(power, c(2.12194440e-4), rest)
        p = c(_EXP[0])
        for coefficient in _EXP[1:]:
            p = self.fma(p, rest, c(coefficient))
        if self.wide and self.width == 16:
            zeros = f"{self.type} zeroinitializer"
            return self.e.call("llvm.x86.avx512.mask.scalef.ps.512", self.type, f"{self.type} {p}",
                               f"{self.type} {power}", zeros, "i16 -1", "i32 4")  # fmt: skip
        whole = Lanes(self.e, BY_NAME["i32"], self.width)
        k = self.e.op(f"fptosi {self.type} {power} to {whole.type}")
        half = whole.two("ashr", k, whole.constant(1))
        for part in (half, whole.two("sub", k, half)):
            bits = whole.two("shl", whole.two("add", part, whole.constant(127)), whole.constant(23))
            p = self.two("fmul", p, self.e.op(f"bitcast {whole.type} {bits} to {self.type}"))
        return p

    def unary(self, fn: str, a: str) -> str:
        one, zero, real = self.constant(1), self.constant(0), self.dtype.is_float
        if fn == "not":
            return self.two("xor", a, one)
        if fn == "relu":
            return self.relu(a)
        if fn == "exp":
            return self.exp(a)
        if fn == "neg":
            return self.e.op(f"fneg {self.type} {a}") if real else self.two("sub", zero, a)
        if fn == "recip":
            return self.two("fdiv", one, a)
        if fn == "rsqrt":
            return self.two("fdiv", one, self.intrinsic("sqrt", a))
        if fn == "sigmoid":
            e = self.exp(self.e.op(f"fneg {self.type} {self.intrinsic('fabs', a)}"))
            top = self.select(self.compare("lt", a, zero), e, one)
            return self.two("fdiv", top, self.two("fadd", one, e))
        if real and fn in _FLOAT_CALLS:
            return self.intrinsic(_FLOAT_CALLS[fn], a)
        raise unsupported(f"{fn} on {self.dtype}")

    def binary(self, fn: str, a: str, b: str) -> str:
        if fn in _BINARY:
            return self.arithmetic(fn, a, b)
        if fn in ("min", "max"):
            return self.extreme(fn, a, b)
        if fn in ("and", "or", "xor"):
            return self.two(fn, a, b)
        if fn == "pow" and self.dtype.is_float:
            return self.intrinsic("pow", a, b)
        raise unsupported(f"{fn} on {self.dtype}")

    def cast(self, a: str, target: DType) -> str:
        """Another dtype: floats to integers truncate and saturate, NaN becomes 0; integers wrap."""
        to = Lanes(self.e, target, self.width)
        if target == self.dtype:
            return a
        if target.kind == "b":
            return self.compare("ne", a, self.constant(0))
        if self.dtype.is_float and not target.is_float:
            sign = "u" if target.kind == "u" else "s"
            return self.e.call(f"llvm.fpto{sign}i.sat.{to.suffix}.{self.suffix}", to.type, f"{self.type} {a}")
        if self.dtype.is_float:
            word = "fpext" if target.size > self.dtype.size else "fptrunc"
        elif target.is_float:
            word = "sitofp" if self.dtype.kind == "i" else "uitofp"
        else:
            grow = "sext" if self.dtype.kind == "i" else "zext"
            own = 0 if self.dtype.kind == "b" else self.dtype.size
            word = grow if target.size > own else "trunc" if target.size < own else "bitcast"
        return self.e.op(f"{word} {self.type} {a} to {to.type}")
