"""What a kernel's code works on: memories, registers, and reading and writing views a vector at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import Immediate, Instr, Kernel, Operand, TensorParam, View, instructions
from vcc.runtime.isa.table import OPS
from vcc.runtime.native.emit import Emitter, Val, unsupported
from vcc.runtime.native.mathlib import Lanes

Index = Mapping[int, Val]


@dataclass(frozen=True)
class Cpu:
    """The CPU that code is made for: LLVM's name and features, bytes of a vector register, how many of them."""

    name: str
    features: str
    vector_bytes: int
    registers: int


class Frame:
    """One kernel's code in the making: `env` holds the registers in scope, `reads` how often each buffer is read."""

    def __init__(self, kernel: Kernel, emitter: Emitter, cpu: Cpu):
        self.e, self.cpu = emitter, cpu
        self.env: dict[str, Val] = {}
        self.buffers = {b.name: b for b in kernel.buffers}
        tensors = [p for p in kernel.params if isinstance(p, TensorParam)]
        self.dtypes = {p.name: p.dtype for p in (*tensors, *kernel.buffers)}
        self.reads: Counter[str] = Counter()
        for instr in instructions(kernel):
            self.reads.update(view.buffer for role, view in instr.views() if role != "dst" or adds(instr))

    def lanes(self, view: View, width: int) -> Lanes:
        """Arithmetic in the dtype of a view."""
        return Lanes(self.e, self.dtypes[view.buffer], width, self.cpu.vector_bytes == 64)

    def width(self, views: list[View]) -> int:
        return self.cpu.vector_bytes // max(self.dtypes[view.buffer].size for view in views)

    def pointer(self, view: View, index: Index) -> str:
        """The address of one element; dimensions missing from `index` are at 0."""
        e, buffer = self.e, self.buffers.get(view.buffer)
        offset = e.poly(view.base, self.env)
        for position, at in index.items():
            offset = e.add(offset, e.mul(at, e.poly(view.strides[position], self.env)))
        pointer, size = f"%.at.{view.buffer}", 8 * self.dtypes[view.buffer].size
        if buffer and buffer.slots > 1:
            slot = e.scalar("mod", e.poly(view.slot, self.env), buffer.slots)
            pointer = e.op(f"getelementptr i8, ptr {pointer}, i64 {e.mul(slot, buffer.slot_bytes)}")
        return e.op(f"getelementptr i{size}, ptr {pointer}, i64 {offset}")

    def read(self, view: View, index: Index, lane: int | None, width: int, mask: str = "", fill: str = "poison") -> str:
        """`width` elements along `lane`, or one in every lane; where `mask` is false `fill`, memory untouched."""
        lanes, where = self.lanes(view, width), self.pointer(view, index)
        if width > 1 and (lane is None or view.strides[lane] == ZERO):
            return lanes.splat(self.e.op(f"load {lanes.kind}, ptr {where}"))
        if not mask:
            return self.e.op(f"load {lanes.type}, ptr {where}, align {lanes.dtype.size}")
        rest = (f"i32 {lanes.dtype.size}", f"{lanes.mask} {mask}", f"{lanes.type} {fill}")
        return self.e.call(f"masked.load.{lanes.suffix}.p0", lanes.type, f"ptr {where}", *rest)

    def write(self, view: View, index: Index, width: int, value: str, mask: str = "") -> None:
        """Stores `width` neighbours, those only where `mask` is true if given."""
        lanes, where = self.lanes(view, width), self.pointer(view, index)
        if not mask:
            self.e.do(f"store {lanes.type} {value}, ptr {where}, align {lanes.dtype.size}")
            return
        rest = (f"ptr {where}", f"i32 {lanes.dtype.size}", f"{lanes.mask} {mask}")
        self.e.call(f"masked.store.{lanes.suffix}.p0", "void", f"{lanes.type} {value}", *rest)

    def mask(self, width: int, low: Val, high: Val) -> str:
        """The lanes whose number is in low..high."""
        e, kind = self.e, f"<{width} x i32>"
        numbers = f"<{', '.join(f'i32 {i}' for i in range(width))}>"
        lanes = Lanes(e, next(d for d in self.dtypes.values() if d.is_float), width, False)
        parts: list[str] = []
        for test, bound in (("sge", low), ("slt", high)):
            cut = e.scalar("max", 0, e.scalar("min", bound, width))
            narrow = cut if isinstance(cut, int) else e.op(f"trunc i64 {cut} to i32")
            parts.append(e.op(f"icmp {test} {kind} {numbers}, {lanes.splat(str(narrow), 'i32')}"))
        return e.op(f"and <{width} x i1> {', '.join(parts)}")

    def operand(self, instr: Instr, operand: Operand, lanes: Lanes) -> str:
        """An immediate or a scalar expression in every lane."""
        if isinstance(operand, Immediate):
            return lanes.constant(operand.value)
        assert not isinstance(operand, View)
        value = self.e.poly(operand.value, self.env)
        return lanes.splat(self.e.op(f"sitofp i64 {value} to {lanes.kind}"))

    def compute(self, instr: Instr, inputs: Mapping[str, str], width: int) -> str:
        """The result of an element-wise instruction on vectors of its operands."""
        dst = instr.operands["dst"]
        assert isinstance(dst, View)
        lanes = self.lanes(dst, width)
        if any(self.dtypes[v.buffer] != lanes.dtype for _, v in instr.views()):
            raise unsupported(f"{instr.op} of different dtypes")
        if "src" not in inputs:
            if instr.op == "fma":
                return lanes.fma(inputs["a"], inputs["b"], inputs["c"])
            return lanes.binary(instr.op, *inputs.values()) if "b" in inputs else lanes.unary(instr.op, inputs["a"])
        value = inputs["src"]
        for role, fn in (("scale", "mul"), ("bias", "add"), ("residual", "add")):
            value = lanes.binary(fn, value, inputs[role]) if role in inputs else value
        return lanes.unary("relu", value) if instr.attrs.get("act") == "relu" else value


def adds(instr: Instr) -> bool:
    """Whether the instruction may join its result with what its output holds."""
    return any(a.name == "zero" for a in OPS[instr.op].attrs) and instr.attrs.get("zero", ONE) != ONE
