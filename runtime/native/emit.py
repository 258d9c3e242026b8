"""Building the text of one LLVM function: values, loops and branches, scalar expressions, types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import Poly, scalar_fold

#: A 64-bit value: a constant, or the name of an LLVM value.
Val = int | str
Env = Mapping[str, Val]
LLVM_TYPES = {"f32": "float", "f64": "double", "f16": "half", "bool": "i8"}
LLVM_TYPES |= {f"{sign}{n}": f"i{n}" for n in (8, 16, 32, 64) for sign in "iu"}
_COMPARE = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}


def unsupported(what: str) -> VccError:
    """The error for an instruction that this engine cannot translate yet."""
    return error("E0121", f"the native engine cannot run {what} yet", help="use the interpreter: --engine=interpreter")


def scalar_type(dtype: DType) -> str:
    """The LLVM type of one element in memory."""
    if dtype.name not in LLVM_TYPES:
        raise unsupported(f"dtype {dtype}")
    return LLVM_TYPES[dtype.name]


def vector_type(dtype: DType, width: int) -> str:
    """The LLVM type of `width` elements in registers; booleans are i1 there."""
    return f"<{width} x {'i1' if dtype.kind == 'b' else scalar_type(dtype)}>"


@dataclass
class Emitter:
    """Appends instructions to a function. Variables are stack slots, which LLVM's SROA turns into registers."""

    lines: list[str] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    declarations: set[str] = field(default_factory=set)
    traps: list[str] = field(default_factory=list)
    count: int = 0

    def name(self, hint: str = "v") -> str:
        self.count += 1
        return f"{hint}{self.count}"

    def do(self, text: str) -> None:
        self.lines.append("  " + text)

    def op(self, text: str) -> str:
        result = "%" + self.name()
        self.do(f"{result} = {text}")
        return result

    def call(self, function: str, result: str, *args: str, flags: str = "") -> str:
        """Calls an intrinsic or C function; each of `args` is "type value"."""
        kinds = (a[: a.index(">") + 1] if a.startswith("<") else a.split()[0] for a in args)
        self.declarations.add(f"declare {result} @{function}({', '.join(kinds)})")
        return self.op(f"call {flags}{result} @{function}({', '.join(args)})")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def variable(self, kind: str) -> str:
        slot = "%" + self.name("s")
        self.slots.append(f"  {slot} = alloca {kind}")
        return slot

    def add(self, a: Val, b: Val) -> Val:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return b if a == 0 else a if b == 0 else self.op(f"add i64 {a}, {b}")

    def mul(self, a: Val, b: Val) -> Val:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if 0 in (a, b):
            return 0
        return b if a == 1 else a if b == 1 else self.op(f"mul i64 {a}, {b}")

    def poly(self, poly: Poly, env: Env) -> Val:
        """The value of a scalar expression."""
        total: Val = 0
        for monomial, coefficient in poly.terms:
            product: Val = coefficient
            for register in monomial:
                product = self.mul(env[register], product)
            total = self.add(total, product)
        return total

    def condition(self, test: str, a: Val, b: Val) -> str:
        return self.op(f"icmp {test} i64 {a}, {b}")

    def scalar(self, fn: str, args: list[Val]) -> Val:
        """One scalar instruction; `div` and `mod` round towards minus infinity and trap on zero."""
        numbers = [a for a in args if isinstance(a, int)]
        if len(numbers) == len(args) and not (fn in ("div", "mod") and not numbers[1]):
            return scalar_fold(fn, numbers)
        a, b = args
        if fn == "add":
            return self.add(a, b)
        if fn == "mul":
            return self.mul(a, b)
        if fn in ("min", "max"):
            return self.call(f"llvm.s{fn}.i64", "i64", f"i64 {a}", f"i64 {b}")
        if fn in _COMPARE:
            return self.op(f"zext i1 {self.condition(_COMPARE[fn], a, b)} to i64")
        if fn in ("and", "or"):
            return self.op(f"zext i1 {self.op(f'{fn} i1 {self.truth(a)}, {self.truth(b)}')} to i64")
        self.trap_if(self.condition("eq", b, 0), "scalar division by zero")
        remainder = self.op(f"srem i64 {a}, {b}")
        wrong = self.op(f"and i1 {self.truth(remainder)}, {self.condition('slt', self.op(f'xor i64 {remainder}, {b}'), 0)}")
        if fn == "mod":
            return self.op(f"select i1 {wrong}, i64 {self.op(f'add i64 {remainder}, {b}')}, i64 {remainder}")
        return self.op(f"sub i64 {self.op(f'sdiv i64 {a}, {b}')}, {self.op(f'zext i1 {wrong} to i64')}")

    def truth(self, value: Val) -> str:
        return self.condition("ne", value, 0)

    def modulo(self, a: Val, slots: int) -> Val:
        """`a` modulo a positive constant; an and where that does."""
        if isinstance(a, str) and slots & (slots - 1) == 0:
            return self.op(f"and i64 {a}, {slots - 1}") if slots > 1 else 0
        return self.scalar("mod", [a, slots])

    def address(self, pointer: str, kind: str, offset: Val) -> str:
        return pointer if offset == 0 else self.op(f"getelementptr {kind}, ptr {pointer}, i64 {offset}")

    def trap_if(self, condition: str, message: str) -> None:
        """Leaves the function with a number that stands for `message` where the condition holds."""
        trap, go = self.name("trap"), self.name("go")
        self.traps.append(message)
        self.do(f"br i1 {condition}, label %{trap}, label %{go}")
        self.label(trap)
        self.do(f"ret i32 {len(self.traps)}")
        self.label(go)

    def branch(self, condition: str, then: Callable[[], None], orelse: Callable[[], None] | None = None) -> None:
        yes, no, done = self.name("then"), self.name("else"), self.name("done")
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")
        for label, part in ((yes, then), (no, orelse)):
            self.label(label)
            if part:
                part()
            self.do(f"br label %{done}")
        self.label(done)

    @contextmanager
    def loop(self, low: Val, high: Val, step: int = 1) -> Iterator[Val]:
        """`for i in range(low, high, step)`; gives i. One iteration known beforehand makes no loop."""
        if isinstance(low, int) and isinstance(high, int) and low < high <= low + step:
            yield low
            return
        head, body, done = self.name("head"), self.name("body"), self.name("done")
        counter = self.variable("i64")
        self.do(f"store i64 {low}, ptr {counter}")
        self.do(f"br label %{head}")
        self.label(head)
        index = self.op(f"load i64, ptr {counter}")
        self.do(f"br i1 {self.condition('slt', index, high)}, label %{body}, label %{done}")
        self.label(body)
        yield index
        self.do(f"store i64 {self.op(f'add i64 {index}, {step}')}, ptr {counter}")
        self.do(f"br label %{head}")
        self.label(done)
