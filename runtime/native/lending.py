"""A thread that waits lends its CPU to the one it waits for, if that has none, as LLVM IR.

Where another process works on a CPU, the system's scheduler takes it from a worker in the middle of a piece for some
milliseconds, and all wait. Nobody else can end that piece, but the leader, which would only sleep, can have the worker
moved to its own CPU; the worker goes back when it has told what it made. Whether a worker runs is seen by
the CPU time it has spent, a moment apart. It may end its piece while it is being moved: that it avoids no CPU is
therefore noted last, so that at worst the next run moves it once more.
"""

from __future__ import annotations

from string import Template

from vcc.runtime.native.scratch import CLAIM_BYTES, CLAIMS, HOLDS

#: The crew's memory: which CPUs its threads may run on, a bit each; whether it has a job; boxes of workers 1, 2, ...
CPUS, AT_WORK, BOXES = 0, 128, 192
CPU_BYTES = AT_WORK - CPUS
#: Words of a box (crew_code.py has the others): the worker's thread as the kernel numbers it, the CPU that it avoids,
#: plus 1, and the one that was lent to it, plus 1.
THREAD, AVOIDED, LENT = 72, 80, 88
BOX_BYTES = 128
#: Looks between two readings of a worker's CPU time.
_MOMENT = 64
#: Linux's number of a thread's CPU clock is ~thread * 8 plus this.
_CPU_CLOCK = 6

_LENDING = Template("""
declare i32 @sched_getcpu()
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @clock_gettime(i32, ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define internal i64 @clock(i32 %which) nounwind {
  %time = alloca [2 x i64]
  store [2 x i64] zeroinitializer, ptr %time
  call i32 @clock_gettime(i32 %which, ptr %time)
  %seconds = load i64, ptr %time
  %rest.at = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest.at
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %rest
  ret i64 %sum
}

define internal void @avoid(ptr %crew, ptr %box, i64 %cpu) nounwind noinline {
entry:
  %set = alloca [$cpu_bytes x i8], align 8
  %thread.at = getelementptr i8, ptr %box, i64 $thread
  %thread = load atomic i64, ptr %thread.at monotonic, align 8
  %begun = icmp ne i64 %thread, 0
  %small = icmp ult i64 %cpu, $cpu_bits
  %can = and i1 %begun, %small
  br i1 %can, label %copy, label %out
copy:
  call void @llvm.memcpy.p0.p0.i64(ptr %set, ptr %crew, i64 $cpu_bytes, i1 false)
  %index = lshr i64 %cpu, 6
  %bit = and i64 %cpu, 63
  %one = shl i64 1, %bit
  %others = xor i64 %one, -1
  %word.at = getelementptr i64, ptr %set, i64 %index
  %word = load i64, ptr %word.at
  %left = and i64 %word, %others
  store i64 %left, ptr %word.at
  %id = trunc i64 %thread to i32
  call i32 @sched_setaffinity(i32 %id, i64 $cpu_bytes, ptr %set)
  %avoided.at = getelementptr i8, ptr %box, i64 $avoided
  %noted = add i64 %cpu, 1
  store atomic i64 %noted, ptr %avoided.at monotonic, align 8
  br label %out
out:
  ret void
}

define internal void @lend_to(ptr %box) nounwind noinline {
entry:
  %set = alloca [$cpu_bytes x i8], align 8
  %thread.at = getelementptr i8, ptr %box, i64 $thread
  %thread = load atomic i64, ptr %thread.at monotonic, align 8
  %begun = icmp ne i64 %thread, 0
  br i1 %begun, label %ask, label %out
ask:
  %id = trunc i64 %thread to i32
  %flipped = xor i32 %id, -1
  %shifted = shl i32 %flipped, 3
  %which = or i32 %shifted, $cpu_clock
  %before = call i64 @clock(i32 %which)
  br label %moment
moment:
  %i = phi i64 [0, %ask], [%next, %moment]
  %next = add i64 %i, 1
  call void @rest(i64 0)
  %again = icmp ult i64 %next, $moment
  br i1 %again, label %moment, label %compare
compare:
  %after = call i64 @clock(i32 %which)
  %runs = icmp ne i64 %before, %after
  %cpu.now = call i32 @sched_getcpu()
  %cpu = zext i32 %cpu.now to i64
  %large = icmp uge i64 %cpu, $cpu_bits
  %not = or i1 %runs, %large
  br i1 %not, label %out, label %lend
lend:
  call void @llvm.memset.p0.i64(ptr %set, i8 0, i64 $cpu_bytes, i1 false)
  %index = lshr i64 %cpu, 6
  %bit = and i64 %cpu, 63
  %one = shl i64 1, %bit
  %word.at = getelementptr i64, ptr %set, i64 %index
  store i64 %one, ptr %word.at
  %lent.at = getelementptr i8, ptr %box, i64 $lent
  %noted = add i64 %cpu, 1
  store atomic i64 %noted, ptr %lent.at seq_cst, align 8
  call i32 @sched_setaffinity(i32 %id, i64 $cpu_bytes, ptr %set)
  %avoided.at = getelementptr i8, ptr %box, i64 $avoided
  store atomic i64 0, ptr %avoided.at seq_cst, align 8
  br label %out
out:
  ret void
}

define internal void @give_back(ptr %crew, ptr %box) nounwind {
entry:
  %lent.at = getelementptr i8, ptr %box, i64 $lent
  %lent = load atomic i64, ptr %lent.at monotonic, align 8
  %none = icmp eq i64 %lent, 0
  br i1 %none, label %out, label %back
back:
  store atomic i64 0, ptr %lent.at monotonic, align 8
  %cpu = sub i64 %lent, 1
  call void @avoid(ptr %crew, ptr %box, i64 %cpu)
  br label %out
out:
  ret void
}

define internal void @lend(ptr %crew, ptr %claims, i64 %parts) nounwind noinline {
entry:
  br label %more
more:
  %i = phi i64 [1, %entry], [%next, %on]
  %next = add i64 %i, 1
  %all = icmp uge i64 %i, %parts
  br i1 %all, label %out, label %look
look:
  %line.at = mul i64 %i, $claim_bytes
  %line = getelementptr i8, ptr %claims, i64 %line.at
  %holds.at = getelementptr i8, ptr %line, i64 $holds
  %holds = load atomic i64, ptr %holds.at monotonic, align 8
  %holder = icmp ne i64 %holds, 0
  br i1 %holder, label %help, label %on
help:
  %index = sub i64 %i, 1
  %box.at = mul i64 %index, $box_bytes
  %boxes = getelementptr i8, ptr %crew, i64 $boxes
  %box = getelementptr i8, ptr %boxes, i64 %box.at
  call void @lend_to(ptr %box)
  br label %on
on:
  br label %more
out:
  ret void
}
""")


def lending() -> str:
    """LLVM IR, after `waiting`, where threads can sleep on memory.

    `lend(crew, claims, parts)`: the leader, before it sleeps, lends its CPU to workers that hold pieces and do not run.
    `lend_to(box)`: to one, whatever it holds. `give_back(crew, box)`: a worker goes where it was.
    `avoid(crew, box, cpu)` moves a worker off a CPU; `clock(which)` is the nanoseconds of a clock.
    """
    words = {
        "cpu_bytes": CPU_BYTES, "cpu_bits": 8 * CPU_BYTES, "boxes": BOXES, "box_bytes": BOX_BYTES, "thread": THREAD,
        "avoided": AVOIDED, "lent": LENT, "cpu_clock": _CPU_CLOCK, "moment": _MOMENT, "claims": CLAIMS,
        "claim_bytes": CLAIM_BYTES, "holds": HOLDS,
    }  # fmt: skip
    return _LENDING.substitute(words)
