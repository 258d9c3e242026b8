"""Element-wise arithmetic on LLVM vectors of floats."""

from __future__ import annotations

import struct

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.native.emit import Emitter, unsupported

_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "round": "roundeven"}
_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
#: exp on [-ln2/2, ln2/2] within 3.1e-9 of its value (least maximum of the relative error), highest power first.
_EXP = (0.0013814539415761828, 0.00836874544620514, 0.04166838899254799, 0.1666652113199234, 0.4999999403953552, 1, 1)


class Lanes:
    """Arithmetic on `width` elements of f32 or f64; `wide` says that the CPU has AVX-512."""

    def __init__(self, emitter: Emitter, dtype: DType, width: int, wide: bool):
        if dtype.name not in ("f32", "f64"):
            raise unsupported(f"{emitter.now} on {dtype}")
        self.e, self.dtype, self.width, self.wide = emitter, dtype, width, wide
        self.kind = "float" if dtype.size == 4 else "double"
        self.type, self.mask = f"<{width} x {self.kind}>", f"<{width} x i1>"
        self.suffix = f"v{width}{dtype}"

    def constant(self, value: float) -> str:
        """The same number in every lane."""
        rounded = struct.unpack("f", struct.pack("f", value))[0] if self.dtype.size == 4 else float(value)
        return f"splat ({self.kind} 0x{struct.pack('>d', rounded).hex()})"

    def splat(self, value: str, kind: str = "") -> str:
        """A scalar in every lane."""
        vector = f"<{self.width} x {kind or self.kind}>"
        first = self.e.op(f"insertelement {vector} poison, {kind or self.kind} {value}, i64 0")
        return self.e.op(f"shufflevector {vector} {first}, {vector} poison, <{self.width} x i32> zeroinitializer")

    def turned(self, value: str, by: int) -> str:
        """Lane i takes what lane i + by has."""
        order = ", ".join(f"i32 {(i + by) % self.width}" for i in range(self.width))
        return self.e.op(f"shufflevector {self.type} {value}, {self.type} poison, <{self.width} x i32> <{order}>")

    def intrinsic(self, name: str, *args: str, flags: str = "") -> str:
        return self.e.call(f"{name}.{self.suffix}", self.type, *(f"{self.type} {a}" for a in args), flags=flags)

    def two(self, name: str, a: str, b: str) -> str:
        return self.e.op(f"{name} {self.type} {a}, {b}")

    def select(self, mask: str, a: str, b: str) -> str:
        return self.e.op(f"select {self.mask} {mask}, {self.type} {a}, {self.type} {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fma", a, b, c)

    def join(self, fn: str, a: str, b: str) -> str:
        """A step of a reduction; max and min ignore a NaN in `b`, which the reduction looks for itself."""
        if fn not in ("max", "min"):
            return self.binary(fn, a, b)
        return self.select(self.two("fcmp ogt" if fn == "max" else "fcmp olt", b, a), b, a)

    def binary(self, fn: str, a: str, b: str) -> str:
        if fn in ("max", "min"):
            return self.intrinsic(f"{fn}imum", a, b, flags="nsz ")
        if fn not in _BINARY:
            raise unsupported(fn)
        return self.two(_BINARY[fn], a, b)

    def unary(self, fn: str, a: str) -> str:
        if fn in ("recip", "rsqrt"):
            return self.two("fdiv", self.constant(1), a if fn == "recip" else self.intrinsic("sqrt", a))
        if fn == "relu":
            return self.select(self.two("fcmp olt", a, self.constant(0)), self.constant(0), a)
        if fn == "neg":
            return self.e.op(f"fneg {self.type} {a}")
        if fn not in _CALLS and not (fn == "exp" and self.dtype.size == 4):
            raise unsupported(f"{fn} on {self.dtype}")
        return self.exp(a) if fn == "exp" else self.intrinsic(_CALLS[fn], a)

    def exp(self, x: str) -> str:
        """e^x within 1 ulp: 2^k times a polynomial of what is left of x; k beyond the range of f32 gives 0 or inf."""
        c, scale = self.constant, self.wide and self.width == 16
        if not scale:
            x = self.join("min", self.join("max", x, c(-105.0)), c(89.0))
        power = self.intrinsic("roundeven", self.two("fmul", x, c(1.4426950408889634)))
        rest = self.fma(power, c(2.12194440e-4), self.fma(power, c(-0.693359375), x))
        if scale:  # the smaller magnitude, with the rest's sign; a rest of no use for infinite x does not matter
            args = (f"{self.type} {rest}", f"{self.type} {c(0.5)}", "i32 2", f"{self.type} poison", "i16 -1", "i32 4")
            rest = self.e.call("x86.avx512.mask.range.ps.512", self.type, *args)
        p = c(_EXP[0])
        for coefficient in _EXP[1:]:
            p = self.fma(p, rest, c(coefficient))
        if scale:
            args = (f"{self.type} {p}", f"{self.type} {power}", f"{self.type} poison", "i16 -1", "i32 4")
            return self.e.call("x86.avx512.mask.scalef.ps.512", self.type, *args)
        whole = f"<{self.width} x i32>"
        k = self.e.op(f"fptosi {self.type} {power} to {whole}")
        half = self.e.op(f"ashr {whole} {k}, splat (i32 1)")
        for part in (half, self.e.op(f"sub {whole} {k}, {half}")):
            bits = self.e.op(f"shl {whole} {self.e.op(f'add {whole} {part}, splat (i32 127)')}, splat (i32 23)")
            p = self.two("fmul", p, self.e.op(f"bitcast {whole} {bits} to {self.type}"))
        return p
