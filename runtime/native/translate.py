"""A kernel as LLVM IR: structured control flow around chains and micro-kernels; events vanish."""

from __future__ import annotations

from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.kernel import Forall, If, Instr, Kernel, Let, Loop, ScalarLoad, Statement, Sync, TensorParam, View
from vcc.runtime.native.compose import Composer
from vcc.runtime.native.emit import Emitter, Val
from vcc.runtime.native.frame import Cpu, Frame
from vcc.runtime.native.matrix import Product, accumulation, matching
from vcc.runtime.native.vector import VECTOR, Chain

ALIGNMENT = 64


class Translator:
    """Makes one function `i32 kernel(parameters..., scratch, part, parts)`; its result numbers a trap, 0 is none.

    It runs part `part` of `parts` equal parts of the forall's iterations.
    """

    def __init__(self, kernel: Kernel, cpu: Cpu):
        self.source = kernel
        composer = Composer(kernel)
        self.kernel, self.ranges = composer.run(), composer.ranges
        self.e = Emitter()
        self.f = Frame(self.kernel, self.e, cpu, self.ranges)
        self.scratch_bytes = 0

    def run(self) -> str:
        """The module's text."""
        scratch: list[str] = []
        for buffer in self.kernel.buffers:
            scratch.append(f"  %{buffer.name}.ptr = getelementptr i8, ptr %.scratch, i64 {self.scratch_bytes}")
            self.scratch_bytes += -(-buffer.slot_bytes * buffer.slots // ALIGNMENT) * ALIGNMENT
        for p in self.kernel.params:
            if not isinstance(p, TensorParam):
                self.f.env[p.name] = f"%{p.name}"
        self.block(self.kernel.body)
        params = [f"ptr noalias %{p.name}.ptr" if isinstance(p, TensorParam) else f"i64 %{p.name}" for p in self.kernel.params]
        params += [f"ptr noalias align {ALIGNMENT} %.scratch", "i64 %.part", "i64 %.parts"]
        width = f'"prefer-vector-width"="{self.f.cpu.vector_bytes * 8}"'
        head = f"define i32 @kernel({', '.join(params)}) nounwind {width} {{\nentry:"
        return "\n".join([*sorted(self.e.declarations), head, *self.e.slots, *scratch, *self.e.lines, "  ret i32 0", "}", ""])

    def block(self, body: tuple[Statement, ...]) -> None:
        statements = [s for s in body if not isinstance(s, Sync)]
        while statements:
            statement = statements.pop(0)
            if isinstance(statement, Let):
                args = [self.e.poly(arg, self.f.env) for arg in statement.args]
                self.f.env[statement.register] = self.e.scalar(statement.fn, args)
            elif isinstance(statement, ScalarLoad):
                at = View(statement.param, (), statement.base)
                kind = self.f.lanes(self.f.dtypes[statement.param], 1)
                wide = kind.cast(self.f.read(at, {}, None, 1), BY_NAME["i64"])
                self.f.env[statement.register] = self.e.op(f"extractelement <1 x i64> {wide}, i64 0")
            elif isinstance(statement, If):
                condition = self.e.truth(self.e.poly(statement.condition, self.f.env))
                self.e.branch(condition, lambda s=statement: self.block(s.then), lambda s=statement: self.block(s.orelse))
            elif isinstance(statement, Forall):
                self.forall(statement)
            elif isinstance(statement, Loop):
                self.loop(statement, statements)
            else:
                assert isinstance(statement, Instr)
                self.instruction(statement, statements)

    def instruction(self, instr: Instr, following: list[Statement]) -> None:
        self.check(instr)
        if instr.op == "mmad":
            Product(self.f, instr).emit()
            return
        chain = Chain(self.f)
        chain.take(instr)
        while following and isinstance(following[0], Instr) and following[0].op in VECTOR and chain.take(following[0]):
            following.pop(0)
        chain.emit()

    def check(self, instr: Instr) -> None:
        """Traps where a size leaves 0..max, unless that cannot be."""
        for dim in instr.domain:
            low, high = dim.size.interval(self.ranges)
            if low < 0 or high > dim.max:
                size = self.e.poly(dim.size, self.f.env)
                self.e.trap_if(self.e.op(f"icmp ugt i64 {size}, {dim.max}"), f"{instr.op}: the size of {dim.name} is not in 0..{dim.max}")

    def loop(self, loop: Loop, following: list[Statement]) -> None:
        plain = Loop(loop.register, loop.low, loop.high, loop.step, loop.kind, tuple(s for s in loop.body if not isinstance(s, Sync)))
        instr = accumulation(plain)
        if instr and (loop.high - loop.low).interval(self.ranges)[0] > 0:
            self.check(instr)
            drain = following[0] if following else None
            dst = instr.operands["dst"]
            if isinstance(drain, Instr) and drain.op == "drain" and drain.when is None and isinstance(dst, View):
                src = drain.operands["src"]
                if isinstance(src, View) and src.buffer == dst.buffer and self.f.reads[dst.buffer] == 2 \
                        and matching(instr, dst, drain, src) is not None:
                    following.pop(0)
                    Product(self.f, instr, loop, drain).emit()
                    return
            Product(self.f, instr, loop).emit()
            return
        low, high = (self.e.poly(bound, self.f.env) for bound in (loop.low, loop.high))
        with self.e.loop(low, high, loop.step) as index:
            self.f.env[loop.register] = index
            self.block(loop.body)

    def forall(self, forall: Forall) -> None:
        e, total = self.e, 1
        sizes: list[tuple[str, Val, Val]] = []
        for register, low, high in forall.ranges:
            start, end = e.poly(low, self.f.env), e.poly(high, self.f.env)
            sizes.append((register, start, e.scalar("max", [0, e.add(end, e.mul(start, -1))])))
            total = e.mul(total, sizes[-1][2])
        ends = [e.op(f"udiv i64 {e.mul(total, part)}, %.parts") for part in ("%.part", e.add("%.part", 1))]
        with e.loop(ends[0], ends[1]) as rest:
            for register, start, size in reversed(sizes[1:]):
                self.f.env[register] = e.add(start, e.op(f"urem i64 {rest}, {size}"))
                rest = e.op(f"udiv i64 {rest}, {size}")
            self.f.env[sizes[0][0]] = e.add(sizes[0][1], rest)
            self.block(forall.body)
