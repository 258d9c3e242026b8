"""What a kernel's code works on: memories, registers, and reading and writing views a vector at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import ONE, ZERO
from vcc.runtime.isa.kernel import Immediate, Instr, Kernel, Operand, TensorParam, View, instructions
from vcc.runtime.isa.semantics import BINARY, UNARY
from vcc.runtime.isa.table import OPS, Same
from vcc.runtime.native import mathlib
from vcc.runtime.native.convert import boolean, convert, truth
from vcc.runtime.native.emit import Cpu, Emitter, Val
from vcc.runtime.native.lanes import Lanes
from vcc.runtime.native.lookup import look_up

__all__ = ["Cpu", "Frame", "adds", "reads_output"]
Index = Mapping[int, Val]


class Frame:
    """One kernel's code in the making.

    `env` holds the registers in scope, `reads` how often each buffer is read, `readers` by which instructions' views.
    """

    def __init__(self, kernel: Kernel, emitter: Emitter, in_place: Mapping[str, str] | None = None):
        self.e, self.cpu, self.in_place = emitter, emitter.cpu, in_place or {}
        self.env: dict[str, Val] = {}
        self.single: dict[str, int] = {}  # masks of one lane, known when code is made, and that lane
        self.counts: dict[str, int] = {}  # of the lanes of masks of the first lanes, where the number is constant
        self.panel_bytes = 0  # of the largest panel of a product, see panels.py
        self.buffers = {b.name: b for b in kernel.buffers}
        tensors = [p for p in kernel.params if isinstance(p, TensorParam)]
        self.dtypes = {p.name: p.dtype for p in (*tensors, *kernel.buffers)}
        self.reads: Counter[str] = Counter()
        self.readers: defaultdict[str, list[tuple[Instr, View]]] = defaultdict(list)
        for instr in instructions(kernel):
            for role, view in instr.views():
                if role != "dst" or reads_output(instr):
                    self.reads[view.buffer] += 1
                    self.readers[view.buffer].append((instr, view))

    def place(self, view: View) -> View:
        """The view under the name of the output in whose place it may lie, so that two that meet have one name."""
        return replace(view, buffer=self.in_place.get(view.buffer, view.buffer))

    def lanes(self, view: View, width: int) -> Lanes:
        """Arithmetic in the dtype of a view."""
        return Lanes(self.e, self.dtypes[view.buffer], width)

    def width(self, views: list[View]) -> int:
        """Lanes of a vector in which the widest of the views' values fills a register."""
        return self.cpu.vector_bytes * 8 // max(self.lanes(view, 1).bits for view in views)

    def shared(self, instr: Instr) -> DType:
        """The dtype of the operands that share one, which is also that of scalar operands."""
        found = [(OPS[instr.op].operand(role).same, view) for role, view in instr.views()]
        chosen = [view for same, view in found if same is Same.T] or [view for _, view in found]
        return self.dtypes[chosen[0].buffer]

    def pointer(self, view: View, index: Index, moved: Val = 0) -> str:
        """The address of one element, `moved` elements on; dimensions missing from `index` are at 0."""
        e, buffer = self.e, self.buffers.get(view.buffer)
        offset = e.add(e.poly(view.base, self.env), moved)
        for position, at in index.items():
            offset = e.add(offset, e.mul(at, e.poly(view.strides[position], self.env)))
        pointer, size = f"%.at.{view.buffer}", self.dtypes[view.buffer].size
        if buffer and buffer.slots > 1:
            slot = e.scalar("mod", e.poly(view.slot, self.env), buffer.slots)
            pointer = e.op(f"getelementptr i8, ptr {pointer}, i64 {e.mul(slot, buffer.slot_bytes)}")
        return e.element(pointer, offset, size)

    def read(
        self, view: View, index: Index, lane: int | None, width: int, mask: str = "", fill: str = "", moved: Val = 0
    ) -> str:
        """`width` elements along `lane`, or one in every lane; where `mask` is false `fill`, memory untouched."""
        lanes, where = self.lanes(view, width), self.pointer(view, index, moved)
        if width > 1 and (lane is None or view.strides[lane] == ZERO):
            if lanes.narrow:  # a vector of halves is converted at once; that of one would wait for the one before
                raw = self.e.op(f"load i16, ptr {where}, align 2")
                return lanes.widened(self.e.splat(raw, "i16", width))
            one = lanes.alike(1)
            value = one.widened(self.e.op(f"load {one.stored}, ptr {where}, align {lanes.dtype.size}"))
            order = f"<{width} x i32> zeroinitializer"
            return self.e.op(f"shufflevector {one.type} {value}, {one.type} poison, {order}")
        if not mask:
            return lanes.widened(self.e.op(f"load {lanes.stored}, ptr {where}, align {lanes.dtype.size}"))
        direct = fill and not lanes.narrow
        rest = (f"i32 {lanes.dtype.size}", f"{lanes.mask} {mask}", f"{lanes.stored} {fill if direct else 'poison'}")
        raw = self.e.call(f"masked.load.{lanes.stored_suffix}.p0", lanes.stored, f"ptr {where}", *rest)
        return lanes.select(mask, lanes.widened(raw), fill) if fill and not direct else lanes.widened(raw)

    def write(self, view: View, index: Index, width: int, value: str, mask: str = "", moved: Val = 0) -> None:
        """Stores `width` neighbours, those only where `mask` is true if given."""
        lanes, where = self.lanes(view, width), self.pointer(view, index, moved)
        raw = lanes.narrowed(value)
        if mask in self.single:  # LLVM 22 stores 32 bits where such a lane is a number of 32 bits cut to 8
            element = lanes.stored[lanes.stored.index("x ") + 2 : -1]
            one = self.e.op(f"extractelement {lanes.stored} {raw}, i64 {self.single[mask]}")
            where = self.e.element(where, self.single[mask], lanes.dtype.size)
            self.e.do(f"store {element} {one}, ptr {where}, align {lanes.dtype.size}")
            return
        if not mask:
            self.e.do(f"store {lanes.stored} {raw}, ptr {where}, align {lanes.dtype.size}")
            return
        if self.cpu.vector_bytes < 64 and mask in self.counts:
            self.write_first(lanes, where, raw, self.counts[mask])
            return
        rest = (f"ptr {where}", f"i32 {lanes.dtype.size}", f"{lanes.mask} {mask}")
        self.e.call(f"masked.store.{lanes.stored_suffix}.p0", "void", f"{lanes.stored} {raw}", *rest)

    def write_first(self, lanes: Lanes, where: str, raw: str, count: int) -> None:
        """Stores the first lanes as whole vectors, where a masked store takes dozens of cycles or there is none.

        Two of them overlap where the last would not be full.
        """
        done, piece = 0, lanes.width
        element = lanes.stored[lanes.stored.index("x ") + 2 : -1]
        while done < count:
            while piece > count:
                piece //= 2
            start = min(done, count - piece)
            order = ", ".join(f"i32 {start + i}" for i in range(piece))
            part = self.e.op(f"shufflevector {lanes.stored} {raw}, {lanes.stored} poison, <{piece} x i32> <{order}>")
            at = self.e.op(f"getelementptr {element}, ptr {where}, i64 {start}") if start else where
            self.e.do(f"store <{piece} x {element}> {part}, ptr {at}, align {lanes.dtype.size}")
            done = start + piece

    def mask(self, width: int, low: Val, high: Val) -> str:
        """The lanes whose number is in low..high."""
        e, kind = self.e, f"<{width} x i32>"
        numbers = f"<{', '.join(f'i32 {i}' for i in range(width))}>"
        parts: list[str] = []
        for test, bound in (("sge", low), ("slt", high)):
            cut = e.scalar("max", 0, e.scalar("min", bound, width))
            narrow = cut if isinstance(cut, int) else e.op(f"trunc i64 {cut} to i32")
            parts.append(e.op(f"icmp {test} {kind} {numbers}, {e.splat(narrow, 'i32', width)}"))
        mask = e.op(f"and <{width} x i1> {', '.join(parts)}")
        if isinstance(low, int) and isinstance(high, int) and min(high, width) - max(low, 0) == 1:
            self.single[mask] = max(low, 0)
        if low == 0 and isinstance(high, int):
            self.counts[mask] = max(0, min(high, width))
        return mask

    def operand(self, instr: Instr, operand: Operand, width: int) -> str:
        """An immediate or a scalar expression in every lane, in the dtype that operands share."""
        lanes = Lanes(self.e, self.shared(instr), width)
        if isinstance(operand, Immediate):
            return lanes.element(operand.value)
        assert not isinstance(operand, View)
        whole = Lanes(self.e, BY_NAME["i64"], width)
        return convert(whole, lanes, whole.splat(str(self.e.poly(operand.value, self.env))))

    def compute(self, instr: Instr, inputs: Mapping[str, str], width: int, mask: str = "") -> str:
        """The result of an element-wise instruction on vectors of its operands; `mask` says which lanes count."""
        dst, op = instr.operands["dst"], instr.op
        assert isinstance(dst, View)
        target, lanes = self.lanes(dst, width), Lanes(self.e, self.shared(instr), width)
        if op.startswith("cmp."):
            return boolean(target, mathlib.compare(lanes, op.removeprefix("cmp."), inputs["a"], inputs["b"]))
        if op == "select":
            return lanes.select(truth(Lanes(self.e, BY_NAME["bool"], width), inputs["cond"]), inputs["a"], inputs["b"])
        if op == "fma":
            return lanes.rounded(mathlib.fma(lanes, inputs["a"], inputs["b"], inputs["c"]))
        if op in BINARY:
            return mathlib.binary(lanes, op, inputs["a"], inputs["b"], mask)
        if op in UNARY:
            return mathlib.unary(lanes, op, inputs["a"])
        if op == "gather":
            return look_up(self.e, inputs["src"], inputs["index"], width)
        source = instr.operands["src"]
        lanes = self.lanes(source, width) if isinstance(source, View) else lanes
        value = inputs["src"]
        for role, fn in (("scale", "mul"), ("bias", "add"), ("residual", "add")):
            value = mathlib.binary(lanes, fn, value, inputs[role]) if role in inputs else value
        value = mathlib.unary(lanes, "relu", value) if instr.attrs.get("act") == "relu" else value
        return convert(lanes, target, value)


def adds(instr: Instr) -> bool:
    """Whether the instruction may join its result with what its output holds."""
    return any(a.name == "zero" for a in OPS[instr.op].attrs) and instr.attrs.get("zero", ONE) != ONE


def reads_output(instr: Instr) -> bool:
    """Whether the result may depend on what the output holds."""
    return adds(instr) or instr.op == "store.add" or instr.op.startswith("store.scatter.")
