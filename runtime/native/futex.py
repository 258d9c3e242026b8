"""Sleeping until another thread writes a word, as LLVM IR (Drepper, "Futexes are tricky", 2011).

Where there are no futexes, threads that wait offer their core instead.
"""

from __future__ import annotations

import platform
import sys
from string import Template

#: Numbers of the system call, and of its operations on memory of one process.
_NUMBERS = {"x86_64": 202, "aarch64": 98}
_WAIT, _WAKE = 128, 129
#: Looks before a waiting thread offers its core, and offers before it sleeps.
SPINS, OFFERS = 2000, 20

_WITH_FUTEX = Template("""
declare i64 @syscall(i64, ...)
define internal void @sleep(ptr %word, i32 %seen, i64 %nanoseconds) nounwind noinline {
  %limit = alloca [2 x i64]
  store i64 0, ptr %limit
  %fraction = getelementptr i8, ptr %limit, i64 8
  store i64 %nanoseconds, ptr %fraction
  %forever = icmp eq i64 %nanoseconds, 0
  %until = select i1 %forever, ptr null, ptr %limit
  call i64 (i64, ...) @syscall(i64 $number, ptr %word, i32 $wait, i32 %seen, ptr %until)
  ret void
}
define internal void @wake(ptr %word) nounwind noinline {
  call i64 (i64, ...) @syscall(i64 $number, ptr %word, i32 $wake, i32 2147483647)
  ret void
}
""")
_WITHOUT = """
define internal void @sleep(ptr %word, i32 %seen, i64 %nanoseconds) nounwind noinline {
  call i32 @sched_yield()
  ret void
}
define internal void @wake(ptr %word) nounwind {
  ret void
}
"""
_PAUSE = Template("""
declare i32 @sched_yield()
$declared
define internal void @rest(i64 %turn) nounwind {
  %long = icmp sgt i64 %turn, $spins
  br i1 %long, label %offer, label %again
offer:
  call i32 @sched_yield()
  ret void
again:
  $pause
  ret void
}
""")


def has_futex() -> bool:
    """Whether threads can sleep on a word of memory here."""
    return sys.platform == "linux" and platform.machine() in _NUMBERS


def waiting() -> str:
    """LLVM IR of `sleep(word, seen, nanoseconds)`, `wake(word)` and `rest(turn)`.

    `sleep` returns once the low 32 bits of the word are not `seen` and somebody wakes it, after so many nanoseconds
    (below 10^9; 0: never), or for no reason. `rest` is what a thread does that has looked `turn` times in vain.
    """
    x86 = platform.machine() in ("x86_64", "AMD64")
    numbers = {"number": _NUMBERS.get(platform.machine(), 0), "wait": _WAIT, "wake": _WAKE}
    pause = _PAUSE.substitute(
        spins=SPINS,
        declared="declare void @llvm.x86.sse2.pause()" if x86 else "",
        pause="call void @llvm.x86.sse2.pause()" if x86 else "",
    )
    return pause + (_WITH_FUTEX.substitute(numbers) if has_futex() else _WITHOUT)
