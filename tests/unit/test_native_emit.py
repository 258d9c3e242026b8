"""The text of LLVM IR: an instruction is made once wherever its result can be seen, and nowhere else."""

from __future__ import annotations

import llvmlite.binding as llvm

from vcc.runtime.native.emit import Cpu, Emitter


def emitter() -> Emitter:
    return Emitter(Cpu("x86-64", "", 16, 16))


def count(e: Emitter, text: str) -> int:
    return sum(line.strip().endswith("= " + text) for line in e.lines)


def verify(e: Emitter) -> None:
    body = "\n".join(["define i32 @f(i64 %x, i64 %y, ptr %p) {", "entry:", *e.slots, *e.lines, "  ret i32 0", "}"])
    llvm.parse_assembly(body, llvm.create_context()).verify()


def test_an_instruction_is_made_once():
    e = emitter()
    first = e.op("mul i64 %x, %y")
    assert e.op("mul i64 %x, %y") == first
    with e.loop(0, 8) as i:
        assert e.op("mul i64 %x, %y") == first
        e.add(i, "%x")
        e.add(i, "%x")
    e.branch(e.op("icmp eq i64 %x, 0"), lambda: e.do(f"store i64 {e.op('mul i64 %x, %y')}, ptr %p"))
    assert count(e, "mul i64 %x, %y") == 1
    assert sum(" add " in line for line in e.lines) == 2  # i + x, and the next i
    verify(e)


def test_what_may_not_have_been_reached_is_made_again():
    e, made = emitter(), list[str]()

    def arm() -> None:
        made.append(e.op("mul i64 %x, %y"))

    with e.loop(0, "%x"):
        arm()
    e.branch(e.op("icmp eq i64 %x, 0"), arm, arm)
    e.trap_if(e.op("icmp eq i64 %y, 0"), "no")
    arm()
    arm()
    assert len(set(made)) == 4 and made[3] == made[4]
    verify(e)


def test_memory_is_read_each_time():
    e = emitter()
    assert e.op("load i64, ptr %p") != e.op("load i64, ptr %p")
    verify(e)


def test_what_differs_in_a_constant_shares_the_rest():
    e = emitter()
    sums = [e.add(e.add("%x", k), e.add("%y", 2)) for k in range(4)]
    assert len(set(sums)) == 4 and count(e, "add i64 %x, %y") == 1
    assert e.mul(e.add("%x", 3), 5) == e.add(e.mul("%x", 5), 15)
    assert e.add(e.add("%x", 3), -3) == "%x"
    places = [e.element("%p", e.add("%x", k), 4) for k in range(4)]
    assert len(set(places)) == 4 and count(e, "getelementptr i32, ptr %p, i64 %x") == 1
    assert e.element("%p", 0, 4) == "%p"
    verify(e)
