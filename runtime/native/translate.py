"""A kernel as LLVM IR: structured control flow around chains and micro-kernels; events vanish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import (
    Forall,
    If,
    Instr,
    Kernel,
    Let,
    Loop,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    TensorParam,
    View,
    meets,
)
from vcc.runtime.isa.table import OPS
from vcc.runtime.native.compose import Composer
from vcc.runtime.native.emit import Cpu, Emitter, Val, unsupported
from vcc.runtime.native.epilogue import fuse, view
from vcc.runtime.native.exact import exact
from vcc.runtime.native.frame import Frame, adds
from vcc.runtime.native.indexed import Indexed
from vcc.runtime.native.length import may_be_long
from vcc.runtime.native.lookup import is_lookup
from vcc.runtime.native.matrix import Product
from vcc.runtime.native.meeting import meeting
from vcc.runtime.native.reduction import accumulation, unrolled
from vcc.runtime.native.rows import RunningSum
from vcc.runtime.native.scratch import STOP_WORD, STOPPED
from vcc.runtime.native.selection import ordering
from vcc.runtime.native.tail import Tail, tail_of
from vcc.runtime.native.vector import Chain
from vcc.runtime.native.widen import widened


class Translator:
    """Makes one function `i32 NAME(parameters..., scratch, part, parts)`; its result numbers a trap, 0 is none.

    It runs part `part` of `parts` equal parts of the iterations of each forall. If the kernel's cores meet
    (vcc.runtime.isa.kernel.meets), all parts must run at the same time. `in_place` names inputs that a launch may give
    the place of an output, and that output.
    """

    def __init__(self, kernel: Kernel, cpu: Cpu, in_place: Mapping[str, str] | None = None):
        composer = Composer(widened(exact(kernel)), in_place)
        self.kernel, self.scopes = composer.run(), composer.scopes
        self.e = Emitter(cpu)
        self.f = Frame(self.kernel, self.e, in_place)
        self.scratch_bytes, self.long, self.meets = 0, may_be_long(kernel), meets(kernel)
        self.turn: Val = 0  # the register of the loop around a forall, if one is

    def run(self, name: str = "kernel") -> str:
        """The module's text; `name` is the function's."""
        scratch: list[str] = []
        for buffer in self.kernel.buffers:
            scratch.append(f"  %.at.{buffer.name} = getelementptr i8, ptr %.scratch, i64 {self.scratch_bytes}")
            self.scratch_bytes += buffer.slot_bytes * buffer.slots
        params = list[str]()
        for p in self.kernel.params:
            self.f.env |= {} if isinstance(p, TensorParam) else {p.name: f"%{p.name}"}
            apart = "" if p.name in {*self.f.in_place, *self.f.in_place.values()} or self.shared(p) else "noalias "
            params.append(f"ptr {apart}%.at.{p.name}" if isinstance(p, TensorParam) else f"i64 %{p.name}")
        self.block(self.kernel.body)
        scratch.append(f"  %.panel = getelementptr i8, ptr %.scratch, i64 {self.scratch_bytes}")
        self.scratch_bytes += self.f.panel_bytes
        params += ["ptr noalias align 64 %.scratch", "i64 %.part", "i64 %.parts"]
        width = f'"prefer-vector-width"="{self.f.cpu.vector_bytes * 8}"'
        head = f"define i32 @{name}({', '.join(params)}) nounwind {width} {{\nentry:"
        declared = [*([meeting()] if self.meets else []), *sorted(self.e.declarations)]
        return "\n".join([*declared, head, *self.e.slots, *scratch, *self.e.lines, "  ret i32 0\n}\n"])

    def shared(self, param: TensorParam | ScalarParam) -> bool:
        """Whether other threads write what this one reads, which LLVM must not take for its own."""
        return self.meets and isinstance(param, TensorParam) and param.mode != "in"

    def block(self, body: tuple[Statement, ...]) -> None:
        statements: list[Statement] = [s for s in body if not isinstance(s, Sync)]
        env = self.f.env
        while statements:
            match statements.pop(0):
                case Instr() as instr:
                    self.instruction(instr, statements)
                case Let(register, fn, (a, b)):
                    env[register] = self.e.scalar(fn, self.e.poly(a, env), self.e.poly(b, env))
                case ScalarLoad(register, param, base):
                    dtype, where = self.f.dtypes[param], self.f.pointer(View(param, (), base), {})
                    word = self.e.op(f"load i{8 * dtype.size}, ptr {where}")
                    grow = "zext" if dtype.kind == "u" else "sext"
                    env[register] = self.e.op(f"{grow} i{8 * dtype.size} {word} to i64") if dtype.size < 8 else word
                case If(condition, then, orelse):
                    truth = self.e.truth(self.e.poly(condition, env))
                    self.e.branch(truth, lambda t=then: self.block(t), lambda o=orelse: self.block(o))
                case Forall() as forall:
                    self.forall(forall)
                case Loop() as loop:
                    self.loop(loop, statements)
                case other:
                    raise unsupported(type(other).__name__)

    def instruction(self, instr: Instr, following: list[Statement]) -> None:
        self.e.now = instr.op
        chain = Chain(self.f)
        if any(dim.max == 0 for dim in instr.domain):
            self.guarded([instr], lambda: None)  # no elements: a reduction leaves its output alone, too
            return
        if instr.op == "mmad":
            self.product(instr, None, following)
            return
        special = {"scan.add": RunningSum, "order": ordering}.get(instr.op)
        if special or (OPS[instr.op].indexed and not is_lookup(instr, self.f.dtypes)):
            self.guarded([instr], (special or Indexed)(self.f, instr).emit)
            return
        if not chain.take(instr):
            raise unsupported(instr.op)
        while following and isinstance(following[0], Instr):
            total = not any(self.unsure(taken) for taken in chain.taken)
            if not chain.take(following[0], total):
                break
            following.pop(0)
        self.guarded(chain.taken, chain.emit)

    def guarded(self, instrs: list[Instr], emit: Callable[[], None]) -> None:
        """Emits instructions of one domain: skipped if `when` is 0, trapping at sizes outside 0..max, idle if empty."""

        def checked() -> None:
            for instr in instrs:
                scope = self.scopes.get(id(instr))
                for dim in instr.domain:
                    if not scope or not all(scope.never_negative(p) for p in (dim.size, dim.max - dim.size)):
                        wrong = self.e.op(f"icmp ugt i64 {self.e.poly(dim.size, self.f.env)}, {dim.max}")
                        self.e.trap_if(wrong, f"{instr.op}: the size of {dim.name} is not within 0..{dim.max}")
            inner = emit
            for size in sorted(set[Poly]().union(*map(self.unsure, instrs)), key=str):
                inner = partial(self.nonzero, size, inner)
            inner()

        self.nonzero(ONE if instrs[0].when is None else instrs[0].when, checked)

    def nonzero(self, condition: Poly, emit: Callable[[], None]) -> None:
        if condition == ONE:
            emit()
        else:
            self.e.branch(self.e.truth(self.e.poly(condition, self.f.env)), emit)

    def unsure(self, instr: Instr) -> set[Poly]:
        """Those sizes of a reduction that may be 0: then it must leave its output alone."""
        scope = self.scopes.get(id(instr))
        sizes = [dim.size for dim in instr.domain if any(d.role.is_reduction for d in instr.domain)]
        return {size for size in sizes if not scope or not scope.never_negative(size - 1)}

    def product(self, instr: Instr, around: Loop | None, following: list[Statement]) -> None:
        """A product, with the drain that follows as its epilogue if nothing else reads the sums."""
        drain, product = following[0] if following else None, Product(self.f, instr, around)
        fresh = around is not None or instr.attrs.get("zero", ONE) == ONE
        alone = self.f.reads[view(instr, "dst").buffer] == 1 + adds(instr)  # of the product itself, which may add
        if isinstance(drain, Instr) and drain.op == "drain" and drain.when is None and fresh and alone:
            tail = tail_of(self.f, instr, drain, following[1:])
            for taken in [tail, Tail(drain)] if tail.instrs else [Tail(drain)]:
                fused = fuse(instr, taken)
                whole = Product(self.f, instr, around, fused) if fused else None
                if whole and (whole.is_dense() or not product.is_dense()) and whole.pays(product):
                    del following[: 1 + len(taken.taken)]
                    self.guarded([instr, drain, *taken.taken], whole.emit)
                    return
        self.guarded([instr], product.emit)

    def loop(self, loop: Loop, following: list[Statement]) -> None:
        instr = accumulation(replace(loop, body=tuple(s for s in loop.body if not isinstance(s, Sync))))
        env = self.f.env
        low, high = self.e.poly(loop.low, env), self.e.poly(loop.high, env)
        whole = isinstance(low, int) and isinstance(high, int) and low < high
        if instr and whole and not self.unsure(instr):
            self.e.now = instr.op
            flat = unrolled(loop, instr, {b.name: b.slots for b in self.kernel.buffers})
            if flat:
                self.scopes[id(flat)] = self.scopes[id(instr)]
            self.product(flat or instr, None if flat else loop, following)
            return
        outer = self.turn
        with self.e.loop(low, high, loop.step) as env[loop.register]:
            self.turn = env[loop.register]
            self.block(loop.body)
        self.turn = outer

    def forall(self, forall: Forall) -> None:
        """This thread's part of the iterations.

        In a loop they run forwards and backwards in turn, so that each run begins with what the caches still hold of
        the one before.
        """
        e, env, total = self.e, self.f.env, 1
        sizes: list[tuple[str, Val, Val]] = []
        for register, low, high in forall.ranges:
            start = e.poly(low, env)
            sizes.append((register, start, e.scalar("max", 0, e.poly(high - low, env))))
            total = e.mul(total, sizes[-1][2])
        first, last = (e.op(f"udiv i64 {e.mul(total, part)}, %.parts") for part in ("%.part", e.add("%.part", 1)))
        word = e.op(f"getelementptr i8, ptr %.scratch, i64 {STOP_WORD}")
        odd = e.op(f"trunc i64 {self.turn} to i1") if isinstance(self.turn, str) else ""
        with e.loop(first, last) as rest:
            if odd:
                backwards = e.op(f"sub i64 {e.op(f'add i64 {first}, {last}')}, {e.add(rest, 1)}")
                rest = e.op(f"select i1 {odd}, i64 {backwards}, i64 {rest}")
            if self.long:
                asked = e.op(f"load atomic volatile i64, ptr {word} monotonic, align 8")
                e.trap_if(e.op(f"icmp ne i64 {asked}, 0"), STOPPED)
            for register, start, size in reversed(sizes[1:]):
                env[register] = e.add(start, e.op(f"urem i64 {rest}, {size}"))
                rest = e.op(f"udiv i64 {rest}, {size}")
            env[sizes[0][0]] = e.add(sizes[0][1], rest)
            self.block(forall.body)
        if self.meets:
            e.trap_if(e.op("call i1 @meet(ptr %.scratch, i64 %.parts)"), STOPPED)
