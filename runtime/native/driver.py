"""One function that makes all launches between two host calls, so that a run enters native code once.

Every thread runs it, each its part of every kernel, and the threads meet between kernels of which one is divided. A
kernel that is not divided is run by the thread with part 0. The code is the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vcc.runtime.isa.host import Ref, Space
from vcc.runtime.native.meeting import TRAP, meeting
from vcc.runtime.native.scratch import STOP_WORD

#: Results are a launch's number times this plus its trap.
TRAPS = 4096


@dataclass(frozen=True)
class Call:
    """One launch: the kernel's name in machine code, its arguments, whether its work is divided.

    `copies` are inputs that overlap an output: argument number, bytes, and where in the copies' memory of `copy_bytes`
    they go.
    """

    kernel: str
    args: tuple[Ref | int, ...]
    divided: bool
    copies: tuple[tuple[int, int, int], ...] = ()
    copy_bytes: int = 0

    @property
    def declaration(self) -> str:
        """The kernel as LLVM IR declares it: arguments, on-chip memories, which part of how many."""
        kinds = ["i64" if isinstance(arg, int) else "ptr" for arg in self.args]
        return f"declare i32 @{self.kernel}({', '.join([*kinds, 'ptr', 'i64', 'i64'])})"


def driver(runs: Mapping[str, Sequence[Call]]) -> str:
    """LLVM IR of an `i64 NAME(inputs, outputs, constants, arena, copies, scratch, shared, part, parts)` for each run.

    The first three are tables of addresses. The result is 0, or `TRAPS` times the launch's index here plus its trap.
    """
    declared = sorted({call.declaration for calls in runs.values() for call in calls})
    functions = [_function(name, calls) for name, calls in runs.items()]
    return "\n".join([meeting(), "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", *declared, *functions])


def _function(name: str, calls: Sequence[Call]) -> str:
    lines = [f"define i64 @{name}(ptr %input, ptr %output, ptr %const, ptr %arena, ptr %copies, ptr %scratch,"]
    lines += ["    ptr %shared, i64 %part, i64 %parts) nounwind {", "entry:"]
    lines += [f"  %trap = getelementptr i8, ptr %shared, i64 {TRAP}", "  %first = icmp eq i64 %part, 0"]
    lines += [f"  %stop = getelementptr i8, ptr %scratch, i64 {STOP_WORD}"]
    open_work = False  # whether some thread may still be at work on what the next launch needs
    for number, call in enumerate(calls):
        if number and (call.divided or open_work or call.copies):
            lines += _meet(f"before{number}")
        lines += _look(number)
        if call.copies and call.divided:
            lines += _only_first(number, "copy", _copies(number, call)) + _meet(f"copied{number}")
            lines += _launch(number, call)
        elif call.divided:
            lines += _launch(number, call)
        else:
            lines += _only_first(number, "run", _copies(number, call) + _launch(number, call))
        open_work = call.divided
    lines += _meet("end")
    return "\n".join([*lines, "  br label %end", "end:", "  %result = load i64, ptr %trap", "  ret i64 %result", "}\n"])


def _meet(name: str) -> list[str]:
    return [
        f"  %bad.{name} = call i1 @meet(ptr %shared, ptr %stop, i64 %parts)",
        f"  br i1 %bad.{name}, label %end, label %go.{name}",
        f"go.{name}:",
    ]


def _look(number: int) -> list[str]:
    """Leaves if this thread is asked to stop."""
    return [
        f"  %asked.{number} = load atomic volatile i64, ptr %stop monotonic, align 8",
        f"  %given.{number} = icmp ne i64 %asked.{number}, 0",
        f"  br i1 %given.{number}, label %end, label %begin{number}",
        f"begin{number}:",
    ]


def _only_first(number: int, what: str, body: list[str]) -> list[str]:
    start, done = f"{what}{number}", f"{what}.done{number}"
    return [f"  br i1 %first, label %{start}, label %{done}", f"{start}:", *body, f"  br label %{done}", f"{done}:"]


def _pointer(name: str, ref: Ref) -> list[str]:
    if ref.space is Space.ARENA:
        return [f"  {name} = getelementptr i8, ptr %arena, i64 {ref.offset}"]
    return [
        f"  {name}.entry = getelementptr ptr, ptr %{ref.space}, i64 {ref.index}",
        f"  {name}.start = load ptr, ptr {name}.entry",
        f"  {name} = getelementptr i8, ptr {name}.start, i64 {ref.offset}",
    ]


def _copies(number: int, call: Call) -> list[str]:
    lines: list[str] = []
    for position, nbytes, offset in call.copies:
        ref, name = call.args[position], f"%from.{number}.{position}"
        assert isinstance(ref, Ref)
        to = f"%to.{number}.{position}"
        lines += [*_pointer(name, ref), f"  {to} = getelementptr i8, ptr %copies, i64 {offset}"]
        lines += [f"  call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {name}, i64 {nbytes}, i1 false)"]
    return lines


def _launch(number: int, call: Call) -> list[str]:
    lines: list[str] = []
    args: list[str] = []
    moved = {position: offset for position, _, offset in call.copies}
    for position, arg in enumerate(call.args):
        name = f"%arg.{number}.{position}"
        if isinstance(arg, int):
            args.append(f"i64 {arg}")
            continue
        lines += (
            [f"  {name} = getelementptr i8, ptr %copies, i64 {moved[position]}"]
            if position in moved
            else _pointer(name, arg)
        )
        args.append(f"ptr {name}")
    share = "i64 %part, i64 %parts" if call.divided else "i64 0, i64 1"
    result = f"%result.{number}"
    return [
        *lines,
        f"  {result} = call i32 @{call.kernel}({', '.join([*args, 'ptr %scratch', share])})",
        f"  %wrong.{number} = icmp ne i32 {result}, 0",
        f"  br i1 %wrong.{number}, label %trapped.{number}, label %fine.{number}",
        f"trapped.{number}:",
        f"  %word.{number} = zext i32 {result} to i64",
        f"  %report.{number} = add i64 %word.{number}, {TRAPS * number}",
        f"  store atomic i64 %report.{number}, ptr %trap release, align 8",
        f"  br label %fine.{number}",
        f"fine.{number}:",
    ]
