"""Building the text of one LLVM function: values, scalar expressions, branches and loops."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.isa.expr import Poly, scalar_fold

#: A 64-bit value: a constant, or the name of an LLVM value.
Val = int | str
#: Instructions that depend on more than their operands. (Calls of functions that do not are few.)
_STATEFUL = ("load ", "call ", "phi ", "alloca ")
_COMPARE = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}


@dataclass(frozen=True)
class Cpu:
    """The CPU that code is made for: LLVM's name and features, bytes of a vector register, how many of them."""

    name: str
    features: str
    vector_bytes: int
    registers: int


def unsupported(what: str) -> VccError:
    """The error for an instruction that this engine does not have."""
    return error("E0121", f"the native engine does not have {what} yet", help="run it on the interpreter")


@dataclass
class Emitter:
    """Appends instructions to a function. Variables are stack slots, which LLVM turns into registers.

    An instruction that has been made where it can be seen from here is not made again (value numbering over the tree of
    dominators, which structured control flow gives for nothing): a third of the text remains, and of LLVM's time.
    """

    cpu: Cpu
    lines: list[str] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    declarations: set[str] = field(default_factory=set)
    traps: list[str] = field(default_factory=list)
    count: int = 0
    now: str = ""  # the instruction being translated
    sums: dict[str, tuple[Val, int]] = field(default_factory=dict)  # those whose last term is a constant
    known: dict[str, str] = field(default_factory=dict)  # results of instructions that can be seen from here

    def name(self) -> str:
        self.count += 1
        return f".v{self.count}"  # no name of a kernel begins with a dot

    def do(self, text: str) -> None:
        self.lines.append("  " + text)

    def op(self, text: str) -> str:
        """An instruction's result: appended, unless one that depends on its operands alone has been already."""
        if text in self.known:
            return self.known[text]
        result = "%" + self.name()
        self.do(f"{result} = {text}")
        if not text.startswith(_STATEFUL):
            self.known[text] = result
        return result

    @contextmanager
    def scope(self) -> Generator[None]:
        """What is appended here may not be reached: the code after it does not see its results."""
        count = len(self.known)
        yield
        while len(self.known) > count:
            self.known.popitem()  # the newest, as dictionaries are ordered

    def call(self, function: str, result: str, *args: str, flags: str = "") -> str:
        """Calls an intrinsic; each of `args` is "type value"."""
        kinds = (a[: a.index(">") + 1] if a.startswith("<") else a.split()[0] for a in args)
        self.declarations.add(f"declare {result} @llvm.{function}({', '.join(kinds)})")
        text = f"call {flags}{result} @llvm.{function}({', '.join(args)})"
        if result != "void":
            return self.op(text)
        self.do(text)
        return ""

    def splat(self, value: Val, kind: str, width: int) -> str:
        """A scalar in every lane of a vector."""
        vector = f"<{width} x {kind}>"
        first = self.op(f"insertelement {vector} poison, {kind} {value}, i64 0")
        return self.op(f"shufflevector {vector} {first}, {vector} poison, <{width} x i32> zeroinitializer")

    def variable(self, kind: str, value: str) -> str:
        slot = "%" + self.name()
        self.slots.append(f"  {slot} = alloca {kind}")
        self.do(f"store {kind} {value}, ptr {slot}")
        return slot

    def add(self, a: Val, b: Val) -> Val:
        (x, c), (y, d) = self.apart(a), self.apart(b)
        rest = y if x == 0 else x if y == 0 else self.op(f"add i64 {x}, {y}")
        if rest == 0 or c + d == 0:
            return rest or c + d
        result = self.op(f"add i64 {rest}, {c + d}")
        self.sums[result] = rest, c + d
        return result

    def mul(self, a: Val, b: Val) -> Val:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if 0 in (a, b):
            return 0
        value, factor = (b, a) if isinstance(a, int) else (a, b)
        if factor == 1:
            return value
        rest, constant = self.apart(value)
        if isinstance(factor, int) and constant:
            return self.add(self.mul(rest, factor), constant * factor)
        return self.op(f"mul i64 {value}, {factor}")

    def apart(self, value: Val) -> tuple[Val, int]:
        """A value as another one plus a constant.

        Sums and products put the constant last, so that what differs in it alone, as the addresses of neighbours do,
        shares everything else.
        """
        return (0, value) if isinstance(value, int) else self.sums.get(value, (value, 0))

    def element(self, pointer: str, index: Val, size: int) -> str:
        """The address of an element of `size` bytes."""
        rest, constant = self.apart(index)
        where = pointer if rest == 0 else self.op(f"getelementptr i{8 * size}, ptr {pointer}, i64 {rest}")
        return self.op(f"getelementptr i8, ptr {where}, i64 {constant * size}") if constant else where

    def poly(self, poly: Poly, env: Mapping[str, Val]) -> Val:
        """The value of a scalar expression."""
        total: Val = 0
        for monomial, coefficient in poly.terms:
            product: Val = coefficient
            for register in monomial:
                product = self.mul(env[register], product)
            total = self.add(total, product)
        return total

    def scalar(self, fn: str, a: Val, b: Val) -> Val:
        """One scalar instruction; `div` and `mod` round towards minus infinity and trap on zero."""
        if isinstance(a, int) and isinstance(b, int) and not (fn in ("div", "mod") and b == 0):
            return scalar_fold(fn, [a, b])
        if fn in ("add", "mul"):
            return self.add(a, b) if fn == "add" else self.mul(a, b)
        if fn in ("min", "max"):
            return self.call(f"s{fn}.i64", "i64", f"i64 {a}", f"i64 {b}")
        if fn in _COMPARE:
            return self.op(f"zext i1 {self.op(f'icmp {_COMPARE[fn]} i64 {a}, {b}')} to i64")
        if fn in ("and", "or"):
            return self.op(f"zext i1 {self.op(f'{fn} i1 {self.truth(a)}, {self.truth(b)}')} to i64")
        if not isinstance(b, int) or b == 0:
            self.trap_if(self.op(f"icmp eq i64 {b}, 0"), "scalar division by zero")
        remainder = self.op(f"srem i64 {a}, {b}")
        apart = self.op(f"icmp slt i64 {self.op(f'xor i64 {remainder}, {b}')}, 0")
        wrong = self.op(f"and i1 {self.truth(remainder)}, {apart}")
        if fn == "mod":
            return self.op(f"select i1 {wrong}, i64 {self.add(remainder, b)}, i64 {remainder}")
        return self.op(f"sub i64 {self.op(f'sdiv i64 {a}, {b}')}, {self.op(f'zext i1 {wrong} to i64')}")

    def truth(self, value: Val) -> str:
        return self.op(f"icmp ne i64 {value}, 0")

    def trap_if(self, condition: str, message: str) -> None:
        """Leaves the function with a number that stands for `message` where the condition holds."""
        self.traps.append(message)
        self.branch(condition, lambda: self.do(f"ret i32 {len(self.traps)}"), leaves=True)

    def branch(
        self, condition: str, then: Callable[[], None], orelse: Callable[[], None] = lambda: None, leaves: bool = False
    ) -> None:
        """`if`; `leaves` says that `then` ends the function."""
        yes, no, done = self.name(), self.name(), self.name()
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")
        self.lines.append(f"{yes}:")
        with self.scope():
            then()
        self.lines += [f"{no}:"] if leaves else [f"  br label %{done}", f"{no}:"]
        with self.scope():
            orelse()
        self.lines += [f"  br label %{done}", f"{done}:"]

    @contextmanager
    def loop(self, low: Val, high: Val, step: int = 1) -> Generator[Val]:
        """`for i in range(low, high, step)`; gives i. What is one iteration for certain makes no loop."""
        if isinstance(low, int) and isinstance(high, int) and low < high <= low + step:
            yield low
            return
        head, body, done = self.name(), self.name(), self.name()
        counter = self.variable("i64", str(low))
        self.lines += [f"  br label %{head}", f"{head}:"]
        index = self.op(f"load i64, ptr {counter}")
        self.do(f"br i1 {self.op(f'icmp slt i64 {index}, {high}')}, label %{body}, label %{done}")
        self.lines.append(f"{body}:")
        with self.scope():
            yield index
            self.do(f"store i64 {self.add(index, step)}, ptr {counter}")
        self.lines += [f"  br label %{head}", f"{done}:"]

    def blocks(self, size: Val, counts: list[int]) -> Iterator[tuple[Val, int, Val]]:
        """Loops over 0..size in steps of `counts`: gives index, step, and what is left in an incomplete last step or 0.

        If the size is not constant, each count must divide the one before.
        """
        low: Val = 0
        for count in counts:
            if isinstance(size, int) and isinstance(low, int):
                end = size - (size - low) % count
            else:
                end = size if count == 1 else self.op(f"sub i64 {size}, {self.op(f'urem i64 {size}, {count}')}")
            if end != low:
                with self.loop(low, end, count) as at:
                    yield at, count, 0
            low = end
        if low != size:
            with self.loop(low, size, counts[-1]) as at:
                yield at, counts[-1], self.add(size, self.mul(at, -1))
