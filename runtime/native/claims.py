"""How the threads of a run divide its work, as LLVM IR: each takes its own pieces, then what others have not begun.

Work comes in phases of tasks that do not depend on each other; a task is a row of launches, in one piece or several. A
phase begins when all pieces before it are done. Every thread walks through all phases, whenever it comes: one that is
woken late finds the first ones done, and one that never comes is not missed, for another does its pieces. So
nobody waits for a thread to wake up, only for pieces that were begun (Blumofe and Leiserson, "Scheduling multithreaded
computations by work stealing", 1999; here each piece has an owner at first, whose caches have its data).

What is taken of a thread's pieces is one word: the task's number and how many of its pieces. Tasks come in one order,
and nobody goes on to a later one before all of the thread's pieces of the earlier one are taken: the word only grows.
"""

from __future__ import annotations

from string import Template

from vcc.runtime.native.futex import OFFERS, SPINS
from vcc.runtime.native.lending import BOX_BYTES, BOXES
from vcc.runtime.native.scratch import CLAIM_BYTES, CLAIMS, DONE, HOLDS, ROUSED, SLEEPERS, STOP_WORD, TRAP

#: Words of a job, in bytes: threads; phases and how many; tasks and the bytes of one; the functions of the launches;
#: where tensors lie (driver.py); the shared words; the function `work`; the workers' memory, 0 if they are Python's
#: (lending.py); each thread's scratch.
PARTS, PHASES, PHASE_COUNT, TASKS, TASK_BYTES, LAUNCHES, PLACES, SHARED, WORK, CREW, SCRATCH = range(0, 88, 8)
#: Words of a phase: its first task, the one after its last, the pieces of all phases up to and with it.
PHASE_WORDS = 3
#: Words of a task: its first launch, the one after its last, pieces, whether every thread must do just its own; then
#: for each thread its first piece, and how many there are.
TASK_WORDS = 4
#: Results are a launch's number times this plus its trap.
TRAPS = 4096
#: Looks at what is done before a thread takes what is another's, who may just be about to: a microsecond or two. A
#: thread that found something to take looks at once the next time.
PATIENT = 64
#: Nanoseconds of sleep after which a thread looks whether it shall stop, of which nobody wakes it, and looks before it
#: sleeps, during which the others come to see that it does.
NAP, LAST_LOOKS = 250_000, 64

_CLAIM = """
define internal i64 @claim(ptr %word, i64 %epoch, i64 %size) nounwind {
entry:
  %none = icmp eq i64 %size, 0
  br i1 %none, label %nothing, label %look
look:
  %first = load atomic i64, ptr %word acquire, align 8
  br label %try
try:
  %value = phi i64 [%first, %look], [%found, %lost]
  %task = lshr i64 %value, 32
  %past = icmp ugt i64 %task, %epoch
  br i1 %past, label %nothing, label %present
present:
  %same = icmp eq i64 %task, %epoch
  %low = and i64 %value, 4294967295
  %taken = select i1 %same, i64 %low, i64 0
  %full = icmp uge i64 %taken, %size
  br i1 %full, label %nothing, label %take
take:
  %base = shl i64 %epoch, 32
  %count = add i64 %taken, 1
  %wanted = or i64 %base, %count
  %pair = cmpxchg ptr %word, i64 %value, i64 %wanted acq_rel acquire
  %found = extractvalue {i64, i1} %pair, 0
  %won = extractvalue {i64, i1} %pair, 1
  br i1 %won, label %mine, label %lost
lost:
  br label %try
mine:
  ret i64 %taken
nothing:
  ret i64 -1
}
"""

_PIECE = Template("""
define internal i1 @piece(ptr %job, ptr %shared, ptr %scratch, ptr %task, i64 %part) nounwind {
entry:
  %functions.at = getelementptr i8, ptr %job, i64 $launches
  %functions = load ptr, ptr %functions.at
  %places.at = getelementptr i8, ptr %job, i64 $places
  %places = load ptr, ptr %places.at
  %stop = getelementptr i8, ptr %scratch, i64 $stop_word
  %trap = getelementptr i8, ptr %shared, i64 $trap
  %first = load i64, ptr %task
  %end.at = getelementptr i8, ptr %task, i64 8
  %end = load i64, ptr %end.at
  %parts.at = getelementptr i8, ptr %task, i64 16
  %parts = load i64, ptr %parts.at
  br label %launch
launch:
  %number = phi i64 [%first, %entry], [%next, %fine]
  %asked = load atomic volatile i64, ptr %stop monotonic, align 8
  %given = icmp ne i64 %asked, 0
  br i1 %given, label %leave, label %begin
begin:
  %function.at = getelementptr ptr, ptr %functions, i64 %number
  %function = load ptr, ptr %function.at
  %result = call i32 %function(ptr %places, ptr %scratch, i64 %part, i64 %parts)
  %wrong = icmp ne i32 %result, 0
  br i1 %wrong, label %trapped, label %fine
fine:
  %next = add i64 %number, 1
  %more = icmp ult i64 %next, %end
  br i1 %more, label %launch, label %over
over:
  ret i1 false
trapped:
  %message = zext i32 %result to i64
  %base = mul i64 %number, $traps
  %report = add i64 %base, %message
  cmpxchg ptr %trap, i64 0, i64 %report acq_rel acquire
  br label %leave
leave:
  ret i1 true
}
""")

_WORK = Template("""
define internal i64 @progress(ptr %claims, i64 %parts) nounwind {
entry:
  br label %more
more:
  %i = phi i64 [0, %entry], [%next, %more]
  %sum = phi i64 [0, %entry], [%sum.next, %more]
  %at = mul i64 %i, $claim_bytes
  %line = getelementptr i8, ptr %claims, i64 %at
  %place = getelementptr i8, ptr %line, i64 $done
  %count = load atomic i64, ptr %place acquire, align 8
  %sum.next = add i64 %sum, %count
  %next = add i64 %i, 1
  %again = icmp ult i64 %next, %parts
  br i1 %again, label %more, label %over
over:
  ret i64 %sum.next
}

define void @work(ptr %job, i64 %me) nounwind {
entry:
  %phase = alloca i64
  %task = alloca i64
  %count = alloca i64
  %turn = alloca i64
  %dry = alloca i1
  %robbed = alloca i1
  %patience = alloca i64
  %made = alloca i64
  %looks = alloca i64
  %other = alloca i64
  %parts.at = getelementptr i8, ptr %job, i64 $parts
  %parts = load i64, ptr %parts.at
  %phases.at = getelementptr i8, ptr %job, i64 $phases
  %phases = load ptr, ptr %phases.at
  %phase_count.at = getelementptr i8, ptr %job, i64 $phase_count
  %phase_count = load i64, ptr %phase_count.at
  %tasks.at = getelementptr i8, ptr %job, i64 $tasks
  %tasks = load ptr, ptr %tasks.at
  %task_bytes.at = getelementptr i8, ptr %job, i64 $task_bytes
  %task_bytes = load i64, ptr %task_bytes.at
  %shared.at = getelementptr i8, ptr %job, i64 $shared
  %shared = load ptr, ptr %shared.at
  %scratches = getelementptr i8, ptr %job, i64 $scratch
  %scratch.at = getelementptr ptr, ptr %scratches, i64 %me
  %scratch = load ptr, ptr %scratch.at
  %stop = getelementptr i8, ptr %scratch, i64 $stop_word
  %trap = getelementptr i8, ptr %shared, i64 $trap
  %sleepers = getelementptr i8, ptr %shared, i64 $sleepers
  %roused = getelementptr i8, ptr %shared, i64 $roused
  %claims = getelementptr i8, ptr %shared, i64 $claims
  %own.line = mul i64 %me, $claim_bytes
  %own = getelementptr i8, ptr %claims, i64 %own.line
  %own.done = getelementptr i8, ptr %own, i64 $done
  %own.holds = getelementptr i8, ptr %own, i64 $holds
  %crew.at = getelementptr i8, ptr %job, i64 $crew
  %crew = load ptr, ptr %crew.at
  %no_crew = icmp eq ptr %crew, null
  %leader = icmp eq i64 %me, 0
  %no_box = or i1 %no_crew, %leader
  %no_help = xor i1 %leader, true
  %no_lending = or i1 %no_crew, %no_help
  %box.number = sub i64 %me, 1
  %box.at = mul i64 %box.number, $box_bytes
  %boxes = getelementptr i8, ptr %crew, i64 $boxes
  %box = getelementptr i8, ptr %boxes, i64 %box.at
  %last = sub i64 %phase_count, 1
  store i64 0, ptr %phase
  store i64 0, ptr %made
  store i64 0, ptr %patience
  br label %enter

; a phase; one that is done already is passed over
enter:
  %p = load i64, ptr %phase
  %through = icmp uge i64 %p, %phase_count
  br i1 %through, label %leave, label %start
start:
  %row.at = mul i64 %p, $phase_bytes
  %row = getelementptr i8, ptr %phases, i64 %row.at
  %first = load i64, ptr %row
  %end.at = getelementptr i8, ptr %row, i64 8
  %end = load i64, ptr %end.at
  %total.at = getelementptr i8, ptr %row, i64 16
  %total = load i64, ptr %total.at
  %is_last = icmp eq i64 %p, %last
  %helper = icmp ne i64 %me, 0
  %may_leave = and i1 %is_last, %helper
  %before = call i64 @progress(ptr %claims, i64 %parts)
  %late = icmp uge i64 %before, %total
  br i1 %late, label %next, label %begin
begin:
  store i64 %first, ptr %task
  store i64 0, ptr %count
  store i64 0, ptr %turn
  store i1 false, ptr %dry
  store i1 false, ptr %robbed
  br label %mine
next:
  %p.now = load i64, ptr %phase
  %p.next = add i64 %p.now, 1
  store i64 %p.next, ptr %phase
  br label %enter

; this thread's own pieces of each task
mine:
  %k = load i64, ptr %task
  %none = icmp uge i64 %k, %end
  br i1 %none, label %report, label %take
take:
  %k.at = mul i64 %k, %task_bytes
  %k.row = getelementptr i8, ptr %tasks, i64 %k.at
  %k.low.at = getelementptr i8, ptr %k.row, i64 $bounds
  %k.range = getelementptr i64, ptr %k.low.at, i64 %me
  %k.low = load i64, ptr %k.range
  %k.high.at = getelementptr i8, ptr %k.range, i64 8
  %k.high = load i64, ptr %k.high.at
  %k.size = sub i64 %k.high, %k.low
  %epoch = add i64 %k, 1
  %got = call i64 @claim(ptr %own, i64 %epoch, i64 %k.size)
  %empty = icmp slt i64 %got, 0
  br i1 %empty, label %task.over, label %do
do:
  store atomic i64 1, ptr %own.holds monotonic, align 8
  %number = add i64 %k.low, %got
  %bad = call i1 @piece(ptr %job, ptr %shared, ptr %scratch, ptr %k.row, i64 %number)
  %n = load i64, ptr %count
  %n.more = add i64 %n, 1
  store i64 %n.more, ptr %count
  br i1 %bad, label %leave, label %mine
task.over:
  %k.next = add i64 %k, 1
  store i64 %k.next, ptr %task
  br label %mine

; how many pieces it has made is a word that it alone writes: a line of memory takes half a microsecond to another CPU
report:
  %fresh = load i64, ptr %count
  %idle = icmp eq i64 %fresh, 0
  br i1 %idle, label %look, label %tell
tell:
  store i64 0, ptr %count
  %earlier = load i64, ptr %made
  %sum = add i64 %earlier, %fresh
  store i64 %sum, ptr %made
  store atomic i64 %sum, ptr %own.done release, align 8
  store atomic i64 0, ptr %own.holds monotonic, align 8
  %asleep = load atomic i64, ptr %sleepers acquire, align 8
  %nobody = icmp eq i64 %asleep, 0
  br i1 %nobody, label %told, label %rouse
rouse:
  atomicrmw add ptr %roused, i64 1 seq_cst
  call void @wake(ptr %roused)
  br label %told
told:
  br i1 %no_box, label %look, label %return
return:
  call void @give_back(ptr %crew, ptr %box)
  br label %look

; the phase's end: look, rest, sleep
look:
  %seen = call i64 @progress(ptr %claims, i64 %parts)
  %ready = icmp uge i64 %seen, %total
  br i1 %ready, label %next, label %ask
ask:
  %trapped = load atomic i64, ptr %trap monotonic, align 8
  %asked = load atomic volatile i64, ptr %stop monotonic, align 8
  %either = or i64 %trapped, %asked
  %given = icmp ne i64 %either, 0
  br i1 %given, label %leave, label %wait
wait:
  %t = load i64, ptr %turn
  %t.next = add i64 %t, 1
  store i64 %t.next, ptr %turn
  %limit = load i64, ptr %patience
  %patient = icmp ult i64 %t, %limit
  %is_dry = load i1, ptr %dry
  %no_steal = or i1 %patient, %is_dry
  br i1 %no_steal, label %rest, label %steal
rest:
  %tired = icmp sgt i64 %t, $enough
  br i1 %tired, label %nap, label %pause
pause:
  call void @rest(i64 %t)
  br label %look
nap:
  %rousals = load atomic i64, ptr %roused acquire, align 8
  %expected = trunc i64 %rousals to i32
  atomicrmw add ptr %sleepers, i64 1 seq_cst
  store i64 0, ptr %looks
  br label %last.look
last.look:
  %l = load i64, ptr %looks
  %l.next = add i64 %l, 1
  store i64 %l.next, ptr %looks
  call void @rest(i64 0)
  %l.seen = call i64 @progress(ptr %claims, i64 %parts)
  %l.ready = icmp uge i64 %l.seen, %total
  %l.enough = icmp ugt i64 %l, $last_looks
  %l.over = or i1 %l.ready, %l.enough
  br i1 %l.over, label %nap.now, label %last.look
nap.now:
  br i1 %l.ready, label %up, label %down
down:
  br i1 %no_lending, label %asleep.now, label %lend
lend:
  call void @lend(ptr %crew, ptr %claims, i64 %parts)
  br label %asleep.now
asleep.now:
  call void @sleep(ptr %roused, i32 %expected, i64 $nap)
  br label %up
up:
  atomicrmw sub ptr %sleepers, i64 1 seq_cst
  br label %look

; or take what others have not begun, of one thread after the other, in the order of the tasks
steal:
  store i64 1, ptr %other
  br label %victim
victim:
  %q = load i64, ptr %other
  %all = icmp uge i64 %q, %parts
  br i1 %all, label %found_none, label %choose
choose:
  %q.next = add i64 %q, 1
  store i64 %q.next, ptr %other
  %w.sum = add i64 %me, %q
  %w = urem i64 %w.sum, %parts
  %w.line = mul i64 %w, $claim_bytes
  %theirs = getelementptr i8, ptr %claims, i64 %w.line
  store i64 %first, ptr %task
  br label %rob
rob:
  %s = load i64, ptr %task
  %s.none = icmp uge i64 %s, %end
  br i1 %s.none, label %victim, label %rob.look
rob.look:
  %s.next = add i64 %s, 1
  store i64 %s.next, ptr %task
  %s.at = mul i64 %s, %task_bytes
  %s.row = getelementptr i8, ptr %tasks, i64 %s.at
  %s.fixed.at = getelementptr i8, ptr %s.row, i64 24
  %s.fixed = load i64, ptr %s.fixed.at
  %s.may = icmp eq i64 %s.fixed, 0
  br i1 %s.may, label %rob.take, label %rob
rob.take:
  %s.low.at = getelementptr i8, ptr %s.row, i64 $bounds
  %s.range = getelementptr i64, ptr %s.low.at, i64 %w
  %s.low = load i64, ptr %s.range
  %s.high.at = getelementptr i8, ptr %s.range, i64 8
  %s.high = load i64, ptr %s.high.at
  %s.size = sub i64 %s.high, %s.low
  %s.got = call i64 @claim(ptr %theirs, i64 %s.next, i64 %s.size)
  %s.empty = icmp slt i64 %s.got, 0
  br i1 %s.empty, label %rob, label %rob.do
rob.do:
  store atomic i64 1, ptr %own.holds monotonic, align 8
  %s.number = add i64 %s.low, %s.got
  %s.bad = call i1 @piece(ptr %job, ptr %shared, ptr %scratch, ptr %s.row, i64 %s.number)
  store i64 1, ptr %count
  store i1 true, ptr %robbed
  store i64 0, ptr %patience
  br i1 %s.bad, label %leave, label %report
found_none:
  store i1 true, ptr %dry
  %was.robbed = load i1, ptr %robbed
  %calm = select i1 %was.robbed, i64 0, i64 $patient
  store i64 %calm, ptr %patience
  br i1 %may_leave, label %leave, label %look
leave:
  ret void
}
""")


def working() -> str:
    """LLVM IR of `work(job, thread)`, after `waiting`: a thread's share of a job. It returns early after a trap.

    So do threads that find nothing left to begin, but for thread 0, which stays until all is done.
    """
    words = {
        "parts": PARTS, "phases": PHASES, "phase_count": PHASE_COUNT, "tasks": TASKS, "task_bytes": TASK_BYTES,
        "launches": LAUNCHES, "places": PLACES, "shared": SHARED, "scratch": SCRATCH, "stop_word": STOP_WORD,
        "done": DONE, "holds": HOLDS, "crew": CREW, "boxes": BOXES, "box_bytes": BOX_BYTES, "trap": TRAP,
        "sleepers": SLEEPERS, "roused": ROUSED, "claims": CLAIMS,
        "claim_bytes": CLAIM_BYTES, "traps": TRAPS,
        "phase_bytes": 8 * PHASE_WORDS, "bounds": 8 * TASK_WORDS, "patient": PATIENT, "enough": SPINS + OFFERS,
        "nap": NAP, "last_looks": LAST_LOOKS,
    }  # fmt: skip
    return _CLAIM + _PIECE.substitute(words) + _WORK.substitute(words)
