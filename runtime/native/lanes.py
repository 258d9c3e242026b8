"""Vectors of one element type: what they are in registers and in memory, and what every type can do.

f16 and bf16 are computed in f32: a value in a register is an f32 that has already been rounded to the narrow type.
Booleans are bytes that hold 0 or 1.
"""

from __future__ import annotations

import struct

import numpy as np

from vcc.runtime.interpreter.execute import as_element
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.native.emit import Emitter

_FLOATS = {"f32": "float", "f64": "double", "f16": "float", "bf16": "float"}


class Lanes:
    """`width` elements of a dtype. `type` is LLVM's for values, `mask` for booleans about them."""

    def __init__(self, emitter: Emitter, dtype: DType, width: int):
        self.e, self.dtype, self.width = emitter, dtype, width
        self.narrow = dtype.is_float and dtype.size == 2
        self.kind = _FLOATS.get(dtype.name, f"i{8 * dtype.size}")
        self.bits = 32 if self.narrow else 8 * dtype.size
        self.type, self.mask, self.word = f"<{width} x {self.kind}>", f"<{width} x i1>", f"<{width} x i{self.bits}>"
        self.suffix = f"v{width}{'f' if dtype.is_float else 'i'}{self.bits}"
        self.stored = f"<{width} x i16>" if self.narrow else self.type
        self.stored_suffix = f"v{width}i16" if self.narrow else self.suffix

    def alike(self, width: int) -> Lanes:
        """The same dtype in vectors of another width."""
        return Lanes(self.e, self.dtype, width)

    def constant(self, value: float) -> str:
        """The same number in every lane, in the type that values have in registers."""
        if not self.dtype.is_float:
            return f"splat ({self.kind} {int(value)})"
        rounded = struct.unpack("f", struct.pack("f", value))[0] if self.bits == 32 else float(value)
        return f"splat ({self.kind} 0x{struct.pack('>d', rounded).hex()})"

    def element(self, value: float | int) -> str:
        """An immediate operand, converted to the dtype as the interpreter does, in every lane."""
        converted = as_element(value, self.dtype)
        return self.constant(float(converted) if self.dtype.is_float else int(converted))

    def lowest(self) -> float | int:
        return float("-inf") if self.dtype.is_float else 0 if self.dtype.kind == "b" else np.iinfo(self.dtype.numpy).min

    def highest(self) -> float | int:
        return float("inf") if self.dtype.is_float else 1 if self.dtype.kind == "b" else np.iinfo(self.dtype.numpy).max

    def splat(self, value: str, kind: str = "") -> str:
        """A scalar in every lane."""
        return self.e.splat(value, kind or self.kind, self.width)

    def turned(self, value: str, by: int) -> str:
        """Lane i takes what lane i + by has."""
        order = ", ".join(f"i32 {(i + by) % self.width}" for i in range(self.width))
        return self.e.op(f"shufflevector {self.type} {value}, {self.type} poison, <{self.width} x i32> <{order}>")

    def total(self, value: str) -> str:
        """The sum of all lanes, in any order."""
        if not self.dtype.is_float:
            return self.e.call(f"vector.reduce.add.{self.suffix}", self.kind, f"{self.type} {value}")
        start = f"{self.kind} -0.0"
        return self.e.call(
            f"vector.reduce.fadd.{self.suffix}", self.kind, start, f"{self.type} {value}", flags="reassoc "
        )

    def intrinsic(self, name: str, *args: str, flags: str = "") -> str:
        return self.e.call(f"{name}.{self.suffix}", self.type, *(f"{self.type} {a}" for a in args), flags=flags)

    def add_product(self, a: str, b: str, total: str) -> str:
        """a * b + total of floats, rounded as is fastest: x86 without FMA would call the C library for each lane."""
        features = self.e.cpu.features.split(",")
        if self.e.cpu.vector_bytes == 16 and "+sse2" in features and "+fma" not in features:
            return self.two("fadd", self.two("fmul", a, b), total)
        return self.intrinsic("fma", a, b, total)

    def two(self, name: str, a: str, b: str) -> str:
        return self.e.op(f"{name} {self.type} {a}, {b}")

    def cast(self, name: str, value: str, source: str, target: str) -> str:
        """One of LLVM's conversions between vector types."""
        return value if source == target else self.e.op(f"{name} {source} {value} to {target}")

    def select(self, mask: str, a: str, b: str) -> str:
        return self.e.op(f"select {self.mask} {mask}, {self.type} {a}, {self.type} {b}")

    def libm(self, name: str, *args: str) -> str:
        """A function of the C library, called for one lane after the other."""
        function = name if self.bits == 64 else f"{name}f"
        self.e.declarations.add(f"declare {self.kind} @{function}({', '.join([self.kind] * len(args))})")
        result = "poison"
        for lane in range(self.width):
            values = [self.e.op(f"extractelement {self.type} {a}, i64 {lane}") for a in args]
            call = self.e.op(f"call {self.kind} @{function}({', '.join(f'{self.kind} {v}' for v in values)})")
            result = self.e.op(f"insertelement {self.type} {result}, {self.kind} {call}, i64 {lane}")
        return result

    def widened(self, raw: str) -> str:
        """The value in registers of what memory holds."""
        if not self.narrow:
            return raw
        e, half = self.e, f"<{self.width} x half>"
        if self.dtype.name == "f16" and "+f16c" in e.cpu.features:
            return e.op(f"fpext {half} {e.op(f'bitcast {self.stored} {raw} to {half}')} to {self.type}")
        bits = e.op(f"zext {self.stored} {raw} to {self.word}")
        if self.dtype.name == "bf16":
            return e.op(f"bitcast {self.word} {self._word('shl', bits, 16)} to {self.type}")
        magnitude = self._word("shl", self._word("and", bits, 0x7FFF), 13)  # its exponent is 112 too small
        scaled = self.two("fmul", e.op(f"bitcast {self.word} {magnitude} to {self.type}"), self.constant(2.0**112))
        exact = e.op(f"bitcast {self.type} {scaled} to {self.word}")
        special = e.op(f"fcmp oge {self.type} {scaled}, {self.constant(65536.0)}")
        full = self._word("or", exact, 0x7F800000)
        exact = e.op(f"select {self.mask} {special}, {self.word} {full}, {self.word} {exact}")
        signed = e.op(f"or {self.word} {exact}, {self._word('shl', self._word('and', bits, 0x8000), 16)}")
        return e.op(f"bitcast {self.word} {signed} to {self.type}")

    def narrowed(self, value: str) -> str:
        """What memory holds of a value: rounded to nearest, ties to even."""
        if not self.narrow:
            return value
        e, half = self.e, f"<{self.width} x half>"
        if self.dtype.name == "f16" and "+f16c" in e.cpu.features:
            return e.op(f"bitcast {half} {e.op(f'fptrunc {self.type} {value} to {half}')} to {self.stored}")
        bits = e.op(f"bitcast {self.type} {value} to {self.word}")
        if self.dtype.name == "bf16":
            odd = self._word("and", self._word("lshr", bits, 16), 1)
            rounded = e.op(f"add {self.word} {self._word('add', bits, 0x7FFF)}, {odd}")
            nan = self._word("or", bits, 0x400000)
            met = e.op(f"fcmp uno {self.type} {value}, {value}")
            chosen = e.op(f"select {self.mask} {met}, {self.word} {nan}, {self.word} {rounded}")
            return e.op(f"trunc {self.word} {self._word('lshr', chosen, 16)} to {self.stored}")
        return self._half(bits)

    def _half(self, bits: str) -> str:
        """f32 to f16 in integer arithmetic, for CPUs without the instruction."""
        e, word = self.e, self.word
        sign = self._word("and", bits, -(2**31))
        bits = e.op(f"xor {word} {bits}, {sign}")
        magnitude = e.op(f"bitcast {word} {bits} to {self.type}")
        # Adding 0.5 leaves, in the last bits of the sum, what a subnormal f16 holds.
        tiny = e.op(f"bitcast {self.type} {self.two('fadd', magnitude, self.constant(0.5))} to {word}")
        tiny = self._word("sub", tiny, 126 << 23)
        odd = self._word("and", self._word("lshr", bits, 13), 1)
        normal = e.op(f"add {word} {self._word('add', bits, (-112 << 23) + 0xFFF)}, {odd}")
        normal = self._word("lshr", normal, 13)
        small = e.op(f"icmp ult {word} {bits}, splat (i32 {113 << 23})")
        large = e.op(f"icmp uge {word} {bits}, splat (i32 {143 << 23})")
        nan = e.op(f"icmp ugt {word} {bits}, splat (i32 {255 << 23})")
        result = e.op(f"select {self.mask} {small}, {word} {tiny}, {word} {normal}")
        result = e.op(f"select {self.mask} {large}, {word} splat (i32 {0x7C00}), {word} {result}")
        result = e.op(f"select {self.mask} {nan}, {word} splat (i32 {0x7E00}), {word} {result}")
        result = e.op(f"or {word} {result}, {self._word('lshr', sign, 16)}")
        return e.op(f"trunc {word} {result} to {self.stored}")

    def _word(self, name: str, a: str, constant: int) -> str:
        return self.e.op(f"{name} {self.word} {a}, splat (i32 {constant})")

    def rounded(self, value: str) -> str:
        """The value as the dtype can hold it."""
        return self.widened(self.narrowed(value)) if self.narrow else value
