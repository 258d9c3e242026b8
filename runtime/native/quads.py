"""Products of bytes, four at a time: the sums of four products with neighbouring k, in 32 bits and exact.

Where four bytes along K are neighbours in both inputs, one instruction (vpdpbusd, where the CPU has it) multiplies and
adds them in every lane. It takes one input as unsigned and the other as signed. For two signed inputs 128 is added to
the slow one, and 128 times the sum of the fast one taken off the result: one more row of sums for each block. Two
unsigned inputs, and CPUs without the instruction, widen the bytes to 16 bits and add pairs of products (pmaddwd).
"""

from __future__ import annotations

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.native.lanes import Lanes

#: Pairs of 16-bit products added up: the instruction for vectors of so many bytes, and the feature that has it.
_PAIRS = {
    64: ("x86.avx512.pmaddw.d.512", "+avx512bw"),
    32: ("x86.avx2.pmadd.wd", "+avx2"),
    16: ("x86.sse2.pmadd.wd", "+sse2"),
}


class Quads:
    """Arithmetic on words of four bytes in the accumulators' `lanes` (i32)."""

    def __init__(self, lanes: Lanes, fast: DType, slow: DType):
        self.lanes, self.e, self.fast, self.slow = lanes, lanes.e, fast, slow
        features = self.e.cpu.features.split(",")
        wide = "+avx512vnni" in features and (lanes.width == 16 or "+avx512vl" in features)
        short = "+avxvnni" in features and lanes.width in (4, 8)
        self.at_once = (wide or short) and "i" in fast.kind + slow.kind
        self.corrected = self.at_once and fast.kind == slow.kind == "i"
        name, needed = _PAIRS.get(4 * lanes.width, ("", ""))
        self.pairs = name if needed in features else ""

    def prepare(self, word: str, slow: bool) -> list[str]:
        """What `add` takes of a vector of words of the slow or the fast input."""
        dtype = self.slow if slow else self.fast
        if self.at_once:
            return [self.lanes.two("xor", word, self.bias())] if slow and self.corrected else [word]
        if self.pairs:
            return self.halves(word, dtype.kind == "i")
        return [self.byte(word, at, dtype.kind == "i") for at in range(4)]

    def bias(self) -> str:
        """128 in every byte."""
        return self.lanes.constant(-0x7F7F7F80)

    def halves(self, word: str, signed: bool) -> list[str]:
        """Bytes 0 and 2, and bytes 1 and 3, of every word as 16 bits each."""
        kind, e = f"<{2 * self.lanes.width} x i16>", self.e
        both, eight = e.op(f"bitcast {self.lanes.type} {word} to {kind}"), "splat (i16 8)"
        if not signed:
            return [e.op(f"and {kind} {both}, splat (i16 255)"), e.op(f"lshr {kind} {both}, {eight}")]
        low = e.op(f"ashr {kind} {e.op(f'shl {kind} {both}, {eight}')}, {eight}")
        return [low, e.op(f"ashr {kind} {both}, {eight}")]

    def byte(self, word: str, at: int, signed: bool) -> str:
        """One byte of every word."""
        top = self.lanes.two("shl", word, self.lanes.constant(24 - 8 * at))
        return self.lanes.two("ashr" if signed else "lshr", top, self.lanes.constant(24))

    def add(self, total: str, slow: list[str], fast: list[str]) -> str:
        """The sums with four products more."""
        kind = self.lanes.type
        if self.at_once:
            unsigned, signed = (slow[0], fast[0]) if self.fast.kind == "i" else (fast[0], slow[0])
            name = f"x86.avx512.vpdpbusd.{32 * self.lanes.width}"
            return self.e.call(name, kind, f"{kind} {total}", f"{kind} {unsigned}", f"{kind} {signed}")
        for a, b in zip(slow, fast, strict=True):
            if self.pairs:
                half = f"<{2 * self.lanes.width} x i16>"
                total = self.lanes.two("add", total, self.e.call(self.pairs, kind, f"{half} {a}", f"{half} {b}"))
            else:
                total = self.lanes.two("add", total, self.lanes.two("mul", a, b))
        return total
