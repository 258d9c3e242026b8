"""What a kernel's code works on: pointers, registers, and the reading and writing of views, a vector at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, Interval
from vcc.runtime.isa.kernel import Buffer, Immediate, Instr, Kernel, Operand, Scalar, TensorParam, View, instructions
from vcc.runtime.isa.table import OPS, Same
from vcc.runtime.native.emit import Emitter, Val, scalar_type, vector_type
from vcc.runtime.native.mathlib import Lanes

Index = Mapping[int, Val]


@dataclass(frozen=True)
class Cpu:
    """The CPU that code is made for: LLVM's name and features, bytes of a vector register, how many there are."""

    name: str
    features: str
    vector_bytes: int
    registers: int

    @property
    def wide(self) -> bool:
        return self.vector_bytes == 64


class Frame:
    """One kernel's code in the making: `env` holds the registers in scope, `reads` how often each buffer is read."""

    def __init__(self, kernel: Kernel, emitter: Emitter, cpu: Cpu, ranges: Mapping[str, Interval]):
        self.e, self.cpu, self.ranges = emitter, cpu, ranges
        self.env: dict[str, Val] = {}
        self.buffers: dict[str, Buffer] = {b.name: b for b in kernel.buffers}
        places = [p for p in kernel.params if isinstance(p, TensorParam)]
        self.dtypes: dict[str, DType] = {p.name: p.dtype for p in (*places, *kernel.buffers)}
        self.reads: Counter[str] = Counter()
        for instr in instructions(kernel):
            self.reads.update(view.buffer for role, view in instr.views() if role != "dst" or adds(instr))

    def width(self, *views: View) -> int:
        """Lanes of a vector register for the largest dtype that the views have."""
        return self.cpu.vector_bytes // max(4, *(self.dtypes[v.buffer].size for v in views))

    def lanes(self, dtype: DType, width: int) -> Lanes:
        return Lanes(self.e, dtype, width, self.cpu.wide)

    def pointer(self, view: View, index: Index) -> str:
        """The address of one element; dimensions missing from `index` are at 0."""
        e = self.e
        offset = e.poly(view.base, self.env)
        for position, at in index.items():
            offset = e.add(offset, e.mul(at, e.poly(view.strides[position], self.env)))
        pointer, kind = f"%{view.buffer}.ptr", scalar_type(self.dtypes[view.buffer])
        buffer = self.buffers.get(view.buffer)
        if buffer and buffer.slots > 1:
            slot = e.modulo(e.poly(view.slot, self.env), buffer.slots)
            pointer = e.address(pointer, "i8", e.mul(slot, buffer.slot_bytes))
        return e.address(pointer, kind, offset)

    def pointers(self, view: View, index: Index, lane: int, width: int) -> str:
        """The addresses of `width` neighbours along dimension `lane`."""
        e, first = self.e, self.pointer(view, index)
        pitch = self.lanes(BY_NAME["i64"], width).splat(str(e.poly(view.strides[lane], self.env)))
        steps = e.op(f"mul <{width} x i64> {pitch}, <{', '.join(f'i64 {i}' for i in range(width))}>")
        kind = scalar_type(self.dtypes[view.buffer])
        return e.op(f"getelementptr {kind}, ptr {first}, <{width} x i64> {steps}")

    def read(self, view: View, index: Index, lane: int | None, width: int, mask: str = "", other: str = "poison") -> str:
        """`width` elements along `lane`; where `mask` is given and false, `other` without touching memory."""
        e, dtype = self.e, self.dtypes[view.buffer]
        stride = 0 if lane is None or width == 1 else view.strides[lane].constant
        kind = scalar_type(dtype)
        vector = f"<{width} x {kind}>"
        if stride == 0 and not mask:
            loaded = e.op(f"load {kind}, ptr {self.pointer(view, index)}")
            first = e.op(f"insertelement {vector} poison, {kind} {loaded}, i64 0")
            value = e.op(f"shufflevector {vector} {first}, {vector} poison, <{width} x i32> zeroinitializer")
        elif stride == 1 and not mask:
            value = e.op(f"load {vector}, ptr {self.pointer(view, index)}, align {dtype.size}")
        else:
            dense = stride == 1 or width == 1
            where = self.pointer(view, index) if dense or lane is None else self.pointers(view, index, lane, width)
            passed = self.to_memory(other, dtype, width) if other != "poison" else other
            bits = f"v{width}{kind.replace('float', 'f32').replace('double', 'f64').replace('half', 'f16')}"
            name, place = (f"load.{bits}.p0", "ptr") if dense else (f"gather.{bits}.v{width}p0", f"<{width} x ptr>")
            value = e.call(f"llvm.masked.{name}", vector, f"{place} {where}", f"i32 {dtype.size}",
                           f"<{width} x i1> {mask or self.all_true(width)}", f"{vector} {passed}")  # fmt: skip
        return e.op(f"trunc {vector} {value} to <{width} x i1>") if dtype.kind == "b" else value

    def write(self, view: View, index: Index, lane: int | None, width: int, value: str, mask: str = "") -> None:
        """Stores `width` elements along `lane`, those only where `mask` is true if given."""
        e, dtype = self.e, self.dtypes[view.buffer]
        kind = scalar_type(dtype)
        vector, value = f"<{width} x {kind}>", self.to_memory(value, dtype, width)
        dense = lane is None or width == 1 or view.strides[lane].constant == 1
        if dense and not mask:
            e.do(f"store {vector} {value}, ptr {self.pointer(view, index)}, align {dtype.size}")
            return
        where = self.pointer(view, index) if dense or lane is None else self.pointers(view, index, lane, width)
        bits = f"v{width}{kind.replace('float', 'f32').replace('double', 'f64').replace('half', 'f16')}"
        name, place = (f"store.{bits}.p0", "ptr") if dense else (f"scatter.{bits}.v{width}p0", f"<{width} x ptr>")
        e.declarations.add(f"declare void @llvm.masked.{name}({vector}, {place}, i32, <{width} x i1>)")
        e.do(f"call void @llvm.masked.{name}({vector} {value}, {place} {where}, i32 {dtype.size}, "
             f"<{width} x i1> {mask or self.all_true(width)})")  # fmt: skip

    def to_memory(self, value: str, dtype: DType, width: int) -> str:
        return self.e.op(f"zext <{width} x i1> {value} to <{width} x i8>") if dtype.kind == "b" else value

    def all_true(self, width: int) -> str:
        return self.lanes(BY_NAME["bool"], width).constant(1)

    def mask(self, width: int, low: Val, high: Val) -> str:
        """Lanes whose number is in low..high."""
        e, narrow = self.e, self.lanes(BY_NAME["i32"], width)
        numbers = f"<{', '.join(f'i32 {i}' for i in range(width))}>"
        parts: list[str] = []
        for test, bound in (("sge", low), ("slt", high)):
            if bound != 0:
                cut = e.scalar("max", [0, e.scalar("min", [bound, width])])
                parts.append(narrow.two(f"icmp {test}", numbers, narrow.splat(e.op(f"trunc i64 {cut} to i32"))))
        return e.op(f"and <{width} x i1> {', '.join(parts)}") if len(parts) == 2 else parts[0]

    def dtype(self, instr: Instr, role: str) -> DType:
        """The dtype of an operand; a scalar has that of the operands it shares T with."""
        operand = instr.operands.get(role)
        if isinstance(operand, View):
            return self.dtypes[operand.buffer]
        shared = [v for r, v in instr.views() if OPS[instr.op].operand(r).same is Same.T]
        return self.dtypes[(shared or [v for _, v in instr.views()])[0].buffer]

    def scalar(self, operand: Operand, dtype: DType, width: int) -> str:
        """An immediate or a scalar expression in every lane."""
        lanes = self.lanes(dtype, width)
        if isinstance(operand, Immediate):
            return lanes.constant(operand.value)
        assert isinstance(operand, Scalar)
        word = self.lanes(BY_NAME["i64"], width)
        return word.cast(word.splat(str(self.e.poly(operand.value, self.env))), dtype)

    def compute(self, instr: Instr, inputs: Mapping[str, str], width: int) -> str:
        """The result of an element-wise instruction on vectors of its operands."""
        op, dtype = instr.op, self.dtype(instr, next((r for r in ("a", "src") if r in inputs), "dst"))
        lanes = self.lanes(dtype, width)
        if op == "drain":
            value = inputs["src"]
            if "scale" in inputs:
                value = lanes.two("fmul" if dtype.is_float else "mul", value, inputs["scale"])
            for role in ("bias", "residual"):
                value = lanes.arithmetic("add", value, inputs[role]) if role in inputs else value
            if instr.attrs.get("act", "none") == "relu":
                value = lanes.relu(value)
            return lanes.cast(value, self.dtype(instr, "dst"))
        if op == "cast":
            return lanes.cast(inputs["src"], self.dtype(instr, "dst"))
        if op == "fma":
            return lanes.fma(inputs["a"], inputs["b"], inputs["c"])
        if op == "select":
            return self.lanes(self.dtype(instr, "dst"), width).select(inputs["cond"], inputs["a"], inputs["b"])
        if op.startswith("cmp."):
            return lanes.compare(op[4:], inputs["a"], inputs["b"])
        if "src" in inputs:
            return inputs["src"]
        return lanes.binary(op, inputs["a"], inputs["b"]) if "b" in inputs else lanes.unary(op, inputs["a"])


def adds(instr: Instr) -> bool:
    """Whether the instruction may join its result with what its output holds."""
    return any(a.name == "zero" for a in OPS[instr.op].attrs) and instr.attrs.get("zero", ONE) != ONE


def same_size(vectors: str, width: int) -> str:
    return vector_type(BY_NAME[vectors], width)
