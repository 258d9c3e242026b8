"""Where the threads that run a kernel together meet inside it: a function of LLVM IR that returns once all called it.

They spin for some microseconds, offer their core to others a few times, and then sleep until the last one wakes them
(futex.py). Sleeping matters where another process, or the thread that is waited for, wants the same core: offering it
does not make the kernel's scheduler choose that one.
"""

from __future__ import annotations

from string import Template

from vcc.runtime.native.futex import OFFERS, SPINS, waiting
from vcc.runtime.native.scratch import ARRIVED, MEETINGS, SHARED_WORD, SLEEPERS, STOP_WORD, TRAP

#: Nanoseconds of sleep after which a thread looks whether it shall stop, of which nobody wakes it.
NAP = 5_000_000

_TEXT = Template("""
define internal i1 @meet(ptr %scratch, i64 %parts) nounwind noinline {
entry:
  %alone = icmp eq i64 %parts, 1
  br i1 %alone, label %go_on, label %arrive
arrive:
  %place = getelementptr i8, ptr %scratch, i64 $shared_word
  %shared = load ptr, ptr %place
  %stop = getelementptr i8, ptr %scratch, i64 $stop_word
  %arrived = getelementptr i8, ptr %shared, i64 $arrived
  %meetings = getelementptr i8, ptr %shared, i64 $meetings
  %trap = getelementptr i8, ptr %shared, i64 $trap
  %sleepers = getelementptr i8, ptr %shared, i64 $sleepers
  %now = load atomic i64, ptr %meetings acquire, align 8
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %parts
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %arrived monotonic, align 8
  %next = add i64 %now, 1
  store atomic i64 %next, ptr %meetings seq_cst, align 8
  %asleep = load atomic i64, ptr %sleepers seq_cst, align 8
  %none = icmp eq i64 %asleep, 0
  br i1 %none, label %go_on, label %rouse
rouse:
  call void @wake(ptr %meetings)
  br label %go_on
spin:
  %turn = phi i64 [0, %arrive], [%more, %pause], [%more, %nap]
  %more = add i64 %turn, 1
  %seen = load atomic i64, ptr %meetings acquire, align 8
  %same = icmp eq i64 %seen, %now
  br i1 %same, label %ask, label %go_on
ask:
  %asked = load atomic volatile i64, ptr %stop monotonic, align 8
  %trapped = load atomic volatile i64, ptr %trap monotonic, align 8
  %either = or i64 %asked, %trapped
  %given = icmp ne i64 %either, 0
  br i1 %given, label %abandon, label %wait
wait:
  %tired = icmp sgt i64 %turn, $enough
  br i1 %tired, label %nap, label %pause
pause:
  call void @rest(i64 %turn)
  br label %spin
nap:
  %expected = trunc i64 %now to i32
  atomicrmw add ptr %sleepers, i64 1 seq_cst
  call void @sleep(ptr %meetings, i32 %expected, i64 $nap)
  atomicrmw sub ptr %sleepers, i64 1 seq_cst
  br label %spin
abandon:
  ret i1 true
go_on:
  ret i1 false
}
""")


def meeting() -> str:
    """LLVM IR of `i1 meet(scratch, parts)`: whether to leave the kernel at once. `scratch` is the thread's own.

    That is so after a trap elsewhere, or if the thread is asked to stop, as all others then are too. One thread alone
    just goes on.
    """
    return waiting() + _TEXT.substitute(
        shared_word=SHARED_WORD, stop_word=STOP_WORD, arrived=ARRIVED, meetings=MEETINGS, trap=TRAP, sleepers=SLEEPERS,
        enough=SPINS + OFFERS, nap=NAP,
    )  # fmt: skip
