"""Launches as functions of one kind, which take their arguments from where a run's tensors lie.

A job (claims.py) calls them in order. The code is the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vcc.runtime.isa.host import Ref, Space

#: The table of places: tables of the addresses of inputs, outputs and constants; the arena; the memory for copies.
TABLES = (Space.INPUT, Space.OUTPUT, Space.CONST)
ARENA, COPIES = len(TABLES), len(TABLES) + 1
PLACE_WORDS = len(TABLES) + 2


@dataclass(frozen=True)
class Call:
    """One launch: the kernel's name in machine code and its arguments.

    `moved` are inputs that overlap an output, and are therefore read in the copies' memory: argument number, bytes, and
    where they are there.
    """

    kernel: str
    args: tuple[Ref | int, ...]
    moved: tuple[tuple[int, int, int], ...] = ()

    @property
    def declaration(self) -> str:
        """The kernel as LLVM IR declares it: arguments, on-chip memories, which part of how many."""
        kinds = ["i64" if isinstance(arg, int) else "ptr" for arg in self.args]
        return f"declare i32 @{self.kernel}({', '.join([*kinds, 'ptr', 'i64', 'i64'])})"


@dataclass(frozen=True)
class Copies:
    """The copies that a launch needs of its inputs."""

    call: Call


def entry(segment: int, number: int) -> str:
    """The name in machine code of function `number` of a segment."""
    return f"launch.{segment}.{number}"


def driver(functions: Mapping[str, Call | Copies]) -> str:
    """LLVM IR of an `i32 NAME(places, scratch, part, parts)` for each: 0, or the number of a trap."""
    declared = sorted({call.declaration for call in functions.values() if isinstance(call, Call)})
    made = [_launch(n, c) if isinstance(c, Call) else _copy(n, c.call) for n, c in functions.items()]
    return "\n".join(["declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", *declared, *made])


def _head(name: str) -> list[str]:
    return [f"define i32 @{name}(ptr %places, ptr %scratch, i64 %part, i64 %parts) nounwind {{", "entry:"]


def _place(word: int, name: str) -> list[str]:
    return [f"  {name}.at = getelementptr ptr, ptr %places, i64 {word}", f"  {name} = load ptr, ptr {name}.at"]


def _pointer(name: str, ref: Ref) -> list[str]:
    if ref.space is Space.ARENA:
        return [*_place(ARENA, f"{name}.base"), f"  {name} = getelementptr i8, ptr {name}.base, i64 {ref.offset}"]
    return [
        *_place(TABLES.index(ref.space), f"{name}.table"),
        f"  {name}.entry = getelementptr ptr, ptr {name}.table, i64 {ref.index}",
        f"  {name}.start = load ptr, ptr {name}.entry",
        f"  {name} = getelementptr i8, ptr {name}.start, i64 {ref.offset}",
    ]


def _copied(name: str, offset: int) -> list[str]:
    return [*_place(COPIES, f"{name}.copies"), f"  {name} = getelementptr i8, ptr {name}.copies, i64 {offset}"]


def _copy(name: str, call: Call) -> str:
    lines = _head(name)
    for position, nbytes, offset in call.moved:
        ref, source, to = call.args[position], f"%from.{position}", f"%to.{position}"
        assert isinstance(ref, Ref)
        lines += [*_pointer(source, ref), *_copied(to, offset)]
        lines += [f"  call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {source}, i64 {nbytes}, i1 false)"]
    return "\n".join([*lines, "  ret i32 0", "}\n"])


def _launch(name: str, call: Call) -> str:
    lines = _head(name)
    args: list[str] = []
    moved = {position: offset for position, _, offset in call.moved}
    for position, arg in enumerate(call.args):
        value = f"%arg.{position}"
        if isinstance(arg, int):
            args.append(f"i64 {arg}")
            continue
        lines += _copied(value, moved[position]) if position in moved else _pointer(value, arg)
        args.append(f"ptr {value}")
    args += ["ptr %scratch", "i64 %part", "i64 %parts"]
    lines += [f"  %result = call i32 @{call.kernel}({', '.join(args)})", "  ret i32 %result", "}\n"]
    return "\n".join(lines)
