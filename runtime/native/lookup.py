"""Tables of bytes: a `gather` whose indices are bytes and whose 256 elements are bytes is arithmetic on vectors.

With AVX-512 VBMI one instruction takes each byte out of 128 of a table (vpermi2b), and the highest bit of the index
says which half of the table counts. Elsewhere a table is 16 pieces of 16 bytes, out of which pshufb takes what the
lower half of an index says, and 0 where bit 7 is set: an exclusive or with the piece's number and an addition that
saturates set it in all indices whose upper half is another number. Without either, lanes are loaded one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ONE, ZERO, Poly
from vcc.runtime.isa.kernel import Instr, View
from vcc.runtime.native.emit import Emitter

#: Elements of a table: as many as there are bytes.
ENTRIES = 256
#: Bytes out of a piece of 16: the instruction for vectors of so many bytes, and the feature that has it.
_PIECES = {
    16: ("x86.ssse3.pshuf.b.128", "+ssse3"),
    32: ("x86.avx2.pshuf.b", "+avx2"),
    64: ("x86.avx512.pshuf.b.512", "+avx512bw"),
}


def is_lookup(instr: Instr, dtypes: Mapping[str, DType]) -> bool:
    """Whether a gather takes every byte out of one table of 256 bytes, so that no index is out of range."""
    src, index = instr.operands.get("src"), instr.operands.get("index")
    if instr.op != "gather" or not isinstance(src, View) or not isinstance(index, View):
        return False
    limit, pitch = instr.attrs.get("limit", ZERO), instr.attrs.get("pitch", ONE)
    whole = isinstance(limit, Poly) and (limit.constant or 0) >= ENTRIES and pitch == ONE
    bytes = dtypes[index.buffer].name == "u8" and dtypes[src.buffer].size == 1
    return whole and bytes and all(stride == ZERO for stride in src.strides)


def look_up(e: Emitter, table: str, index: str, width: int) -> str:
    """The bytes of the table at the address `table` for a vector of unsigned bytes."""
    features = e.cpu.features.split(",")
    register = next((n for n in _PIECES if n >= width), 0)
    if register and "+avx512vbmi" in features and e.cpu.vector_bytes == 64:
        return _cut(e, _of_halves(e, table, _cut(e, index, width, 64)), 64, width)
    if register and register <= e.cpu.vector_bytes and _PIECES[register][1] in features:
        return _cut(e, _of_pieces(e, table, _cut(e, index, width, register), register), register, width)
    result, index = "poison", e.op(f"freeze <{width} x i8> {index}")  # lanes of a rest may be poison, no address
    for lane in range(width):
        at = e.op(f"zext i8 {e.op(f'extractelement <{width} x i8> {index}, i64 {lane}')} to i64")
        one = e.op(f"load i8, ptr {e.op(f'getelementptr i8, ptr {table}, i64 {at}')}")
        result = e.op(f"insertelement <{width} x i8> {result}, i8 {one}, i64 {lane}")
    return result


def _cut(e: Emitter, value: str, width: int, to: int) -> str:
    """The first lanes of a vector of bytes, or as many more that mean nothing."""
    if width == to:
        return value
    order = ", ".join(f"i32 {i}" if i < width else "i32 poison" for i in range(to))
    return e.op(f"shufflevector <{width} x i8> {value}, <{width} x i8> poison, <{to} x i32> <{order}>")


def _of_halves(e: Emitter, table: str, index: str) -> str:
    """A vector of 64 bytes out of a table of four."""
    kind = "<64 x i8>"
    quarters = [e.op(f"load {kind}, ptr {e.element(table, 64 * i, 1)}, align 1") for i in range(4)]
    name = "x86.avx512.vpermi2var.qi.512"
    low, high = (
        e.call(name, kind, *(f"{kind} {v}" for v in (quarters[i], index, quarters[i + 1]))) for i in (0, 2)
    )  # fmt: skip
    upper = e.op(f"icmp slt {kind} {index}, zeroinitializer")
    return e.op(f"select <64 x i1> {upper}, {kind} {high}, {kind} {low}")


def _of_pieces(e: Emitter, table: str, index: str, width: int) -> str:
    """A vector of bytes out of a table of 16 pieces."""
    kind, result = f"<{width} x i8>", ""
    lanes = ", ".join(f"i32 {i % 16}" for i in range(width))
    for number in range(16):
        piece = e.op(f"load <16 x i8>, ptr {e.element(table, 16 * number, 1)}, align 1")
        piece = e.op(f"shufflevector <16 x i8> {piece}, <16 x i8> poison, <{width} x i32> <{lanes}>")
        own = e.op(f"xor {kind} {index}, splat (i8 {16 * number})") if number else index
        own = e.call(f"uadd.sat.v{width}i8", kind, f"{kind} {own}", f"{kind} splat (i8 112)")
        found = e.call(_PIECES[width][0], kind, f"{kind} {piece}", f"{kind} {own}")
        result = e.op(f"or {kind} {result}, {found}") if result else found
    return result
