"""Posting a job to threads that wait for one, as LLVM IR: `go` for the thread that leads it, `worker` for the others.

A worker has a box, into which a leader puts a job's address. Between jobs it looks into the box for a while if the last
job came soon after the one before, and then sleeps; so runs in quick succession find it awake, and a process that
runs a model now and then pays for no spinning. A leader that has finished takes back what was not begun.

A worker keeps off the CPU of the thread that leads, on which it would only be in the way, unless that one lends it
while it waits (lending.py). The system's scheduler puts a woken thread there if the other CPUs are busy with as little
as background work, and leaves it for milliseconds.
"""

from __future__ import annotations

import platform
from string import Template

from vcc.runtime.native.claims import PARTS, SHARED, WORK, working
from vcc.runtime.native.futex import OFFERS, SPINS, has_futex, waiting
from vcc.runtime.native.lending import AT_WORK, AVOIDED, BOX_BYTES, BOXES, CPU_BYTES, THREAD, lending
from vcc.runtime.native.scratch import CLAIM_BYTES, CLAIMS, TRAP

#: What `go` returns if the crew has another job.
OCCUPIED = -1
#: Words of a box, of which lending.py has more: the job (BUSY while it is worked on), posts so far, whether the worker
#: sleeps; on another cache line its number in the crew.
JOB, POSTS, ASLEEP, NUMBER = 0, 8, 16, 64
BUSY = 1
#: Nanoseconds for which a worker looks for the next job, if the last one came within as long.
EAGER = 100_000
#: Looks at the box of a worker that is not eager: about as long as waking it would take.
LOOKS = 400
#: Nanoseconds that a leader sleeps while a worker ends its last piece.
_END_NAP = 50_000
#: Signals that a worker leaves to other threads: all but those of its own faults (ILL, TRAP, ABRT, BUS, FPE, SEGV).
_BLOCKED = ~sum(1 << (number - 1) for number in (4, 5, 6, 7, 8, 11))
#: Numbers of the system call that says which thread this is.
_GETTID = {"x86_64": 186, "aarch64": 178}

_ALONE = Template("""
define void @clear(ptr %job) nounwind {
  %parts.at = getelementptr i8, ptr %job, i64 $parts
  %parts = load i64, ptr %parts.at
  %shared.at = getelementptr i8, ptr %job, i64 $shared
  %shared = load ptr, ptr %shared.at
  %lines = mul i64 %parts, $claim_bytes
  %bytes = add i64 %lines, $claims
  call void @llvm.memset.p0.i64(ptr align 64 %shared, i8 0, i64 %bytes, i1 false)
  ret void
}
define i64 @lead(ptr %job) nounwind {
  call void @work(ptr %job, i64 0)
  %shared.at = getelementptr i8, ptr %job, i64 $shared
  %shared = load ptr, ptr %shared.at
  %trap = getelementptr i8, ptr %shared, i64 $trap
  %found = load atomic i64, ptr %trap acquire, align 8
  ret i64 %found
}
define i64 @alone(ptr %job) nounwind {
  call void @clear(ptr %job)
  %result = call i64 @lead(ptr %job)
  ret i64 %result
}
""")
_NO_LENDING = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal void @lend(ptr %crew, ptr %claims, i64 %parts) nounwind {
  ret void
}
define internal void @give_back(ptr %crew, ptr %box) nounwind {
  ret void
}
"""
_TOGETHER = Template("""
declare i32 @pthread_sigmask(i32, ptr, ptr)

define i64 @go(ptr %job, ptr %crew) nounwind {
entry:
  %worker = alloca i64
  %at_work = getelementptr i8, ptr %crew, i64 $at_work
  %turn.pair = cmpxchg ptr %at_work, i64 0, i64 1 acq_rel acquire
  %turn.won = extractvalue {i64, i1} %turn.pair, 1
  br i1 %turn.won, label %begin, label %occupied
occupied:
  ret i64 $occupied
begin:
  call void @clear(ptr %job)
  %parts.at = getelementptr i8, ptr %job, i64 $parts
  %parts = load i64, ptr %parts.at
  %boxes = getelementptr i8, ptr %crew, i64 $boxes
  %cpu.now = call i32 @sched_getcpu()
  %cpu = zext i32 %cpu.now to i64
  %job.word = ptrtoint ptr %job to i64
  store i64 1, ptr %worker
  br label %more
more:
  %i = load i64, ptr %worker
  %posted = icmp uge i64 %i, %parts
  br i1 %posted, label %lead, label %post
post:
  %i.next = add i64 %i, 1
  store i64 %i.next, ptr %worker
  %i.index = sub i64 %i, 1
  %i.at = mul i64 %i.index, $box_bytes
  %box = getelementptr i8, ptr %boxes, i64 %i.at
  %avoided.at = getelementptr i8, ptr %box, i64 $avoided
  %avoided = load atomic i64, ptr %avoided.at monotonic, align 8
  %away = sub i64 %avoided, 1
  %apart = icmp eq i64 %away, %cpu
  br i1 %apart, label %put, label %move
move:
  call void @avoid(ptr %crew, ptr %box, i64 %cpu)
  br label %put
put:
  %job.at = getelementptr i8, ptr %box, i64 $job
  %posts = getelementptr i8, ptr %box, i64 $posts
  %asleep.at = getelementptr i8, ptr %box, i64 $asleep
  store atomic i64 %job.word, ptr %job.at seq_cst, align 8
  atomicrmw add ptr %posts, i64 1 seq_cst
  %asleep = load atomic i64, ptr %asleep.at seq_cst, align 8
  %awake = icmp eq i64 %asleep, 0
  br i1 %awake, label %more, label %rouse
rouse:
  call void @wake(ptr %posts)
  br label %more
lead:
  %result = call i64 @lead(ptr %job)
  store i64 1, ptr %worker
  br label %end
end:
  %e = load i64, ptr %worker
  %ended = icmp uge i64 %e, %parts
  br i1 %ended, label %over, label %back
back:
  %e.next = add i64 %e, 1
  store i64 %e.next, ptr %worker
  %e.index = sub i64 %e, 1
  %e.at = mul i64 %e.index, $box_bytes
  %e.box = getelementptr i8, ptr %boxes, i64 %e.at
  %e.job = getelementptr i8, ptr %e.box, i64 $job
  %taken.back = cmpxchg ptr %e.job, i64 %job.word, i64 0 acq_rel acquire
  br label %wait
wait:
  %turn = phi i64 [0, %back], [%turn.next, %pause], [%turn.next, %nap]
  %turn.next = add i64 %turn, 1
  %state = load atomic i64, ptr %e.job acquire, align 8
  %free = icmp eq i64 %state, 0
  br i1 %free, label %end, label %busy
busy:
  %tired = icmp sgt i64 %turn, $enough
  br i1 %tired, label %nap, label %pause
pause:
  call void @rest(i64 %turn)
  br label %wait
nap:
  call void @lend_to(ptr %e.box)
  call void @sleep(ptr %e.job, i32 $busy, i64 $end_nap)
  br label %wait
over:
  store atomic i64 0, ptr %at_work release, align 8
  ret i64 %result
}

define ptr @worker(ptr %box) nounwind {
entry:
  %idle.since = alloca i64
  %eager = alloca i1
  %turn = alloca i64
  %mask = alloca [$cpu_bytes x i8], align 8
  call void @llvm.memset.p0.i64(ptr %mask, i8 -1, i64 $cpu_bytes, i1 false)
  store i64 $blocked, ptr %mask
  call i32 @pthread_sigmask(i32 2, ptr %mask, ptr null)
  %job.at = getelementptr i8, ptr %box, i64 $job
  %posts = getelementptr i8, ptr %box, i64 $posts
  %asleep.at = getelementptr i8, ptr %box, i64 $asleep
  %thread.at = getelementptr i8, ptr %box, i64 $thread
  %number.at = getelementptr i8, ptr %box, i64 $number
  %number = load i64, ptr %number.at
  %thread = call i64 (i64, ...) @syscall(i64 $gettid)
  store atomic i64 %thread, ptr %thread.at release, align 8
  store i1 false, ptr %eager
  br label %idle
idle:
  %now = call i64 @clock(i32 1)
  store i64 %now, ptr %idle.since
  br label %again
again:
  store i64 0, ptr %turn
  br label %look
look:
  %value = load atomic i64, ptr %job.at acquire, align 8
  %posted = icmp ne i64 %value, 0
  br i1 %posted, label %take, label %wait
wait:
  %t = load i64, ptr %turn
  %t.next = add i64 %t, 1
  store i64 %t.next, ptr %turn
  call void @rest(i64 0)
  %few = icmp ult i64 %t, $looks
  br i1 %few, label %look, label %long
long:
  %is_eager = load i1, ptr %eager
  br i1 %is_eager, label %check, label %doze
check:
  %since = load i64, ptr %idle.since
  %later = call i64 @clock(i32 1)
  %passed = sub i64 %later, %since
  %soon = icmp ult i64 %passed, $eager_time
  br i1 %soon, label %again, label %doze
doze:
  %seen = load atomic i64, ptr %posts seq_cst, align 8
  store atomic i64 1, ptr %asleep.at seq_cst, align 8
  %last.look = load atomic i64, ptr %job.at seq_cst, align 8
  %nothing = icmp eq i64 %last.look, 0
  br i1 %nothing, label %nap, label %up
nap:
  %expected = trunc i64 %seen to i32
  call void @sleep(ptr %posts, i32 %expected, i64 0)
  br label %up
up:
  store atomic i64 0, ptr %asleep.at seq_cst, align 8
  %slept.since = load i64, ptr %idle.since
  %woken = call i64 @clock(i32 1)
  %gap = sub i64 %woken, %slept.since
  %short = icmp ult i64 %gap, $eager_time
  store i1 %short, ptr %eager
  br label %again
take:
  %pair = cmpxchg ptr %job.at, i64 %value, i64 $busy acq_rel acquire
  %won = extractvalue {i64, i1} %pair, 1
  br i1 %won, label %do, label %look
do:
  %job = inttoptr i64 %value to ptr
  %job.work.at = getelementptr i8, ptr %job, i64 $work
  %job.work = load ptr, ptr %job.work.at
  call void %job.work(ptr %job, i64 %number)
  store atomic i64 0, ptr %job.at seq_cst, align 8
  %before.at = mul i64 %number, -$box_bytes
  %zeroth = getelementptr i8, ptr %box, i64 %before.at
  %crew = getelementptr i8, ptr %zeroth, i64 $to_crew
  call void @give_back(ptr %crew, ptr %box)
  br label %idle
}
""")


def crew_code() -> str:
    """LLVM IR of what runs jobs (claims.py), a module of its own.

    `i64 alone(job)` runs one on this thread; the result is 0, or `TRAPS` times the launch's number plus its trap. Where
    threads can sleep on memory, `i64 go(job, crew)` runs one with the workers, if they have no other (OCCUPIED), and
    `ptr worker(box)` is a worker's whole life. `clear(job)`, then `lead(job)` and `work(job, thread)` for all other
    threads are for threads of another kind.
    """
    words = {
        "parts": PARTS, "shared": SHARED, "claim_bytes": CLAIM_BYTES, "claims": CLAIMS, "trap": TRAP, "work": WORK,
        "at_work": AT_WORK, "occupied": OCCUPIED, "cpu_bytes": CPU_BYTES,
        "boxes": BOXES, "box_bytes": BOX_BYTES, "job": JOB,
        "posts": POSTS, "asleep": ASLEEP, "number": NUMBER, "thread": THREAD, "avoided": AVOIDED, "busy": BUSY,
        "eager_time": EAGER, "looks": LOOKS, "end_nap": _END_NAP, "blocked": _BLOCKED, "enough": SPINS + OFFERS,
        "gettid": _GETTID.get(platform.machine(), 0), "to_crew": BOX_BYTES - BOXES,
    }  # fmt: skip
    together = lending() + _TOGETHER.substitute(words) if has_futex() else _NO_LENDING
    return waiting() + working() + _ALONE.substitute(words) + together
