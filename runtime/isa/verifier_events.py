"""Events: every wait has its signal, so that the pipes do not wait for each other for ever.

In each body, what is signalled of an event must be waited for as often, in slots that differ by a constant at most (a
loop may run ahead). Tokens then neither run out nor pile up from iteration to iteration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Forall, If, Kernel, Loop, Statement, Sync, walk
from vcc.runtime.isa.verifier_report import Report

#: An event, the conditions under which it is used, and its slot without the constant term.
Key: TypeAlias = tuple[str, tuple[tuple[Poly, bool], ...], Poly]


def check_events(kernel: Kernel, report: Report) -> None:
    """Report events that are never signalled or waited for, and bodies in which they do not balance."""
    used = {(s.op, s.event) for s in walk(kernel.body) if isinstance(s, Sync)}
    for event in kernel.events:
        for op, other, verb in (("wait", "signal", "waited for"), ("signal", "wait", "signalled")):
            if (op, event.name) in used and (other, event.name) not in used:
                report.add(f"event {event.name} is {verb} and there is no {other}: the pipes would hang")
        if not {("wait", event.name), ("signal", event.name)} & used:
            report.add(f"event {event.name} is never used")
    if not report.found:
        _balance(kernel.body, None, report)


def _balance(body: Sequence[Statement], owner: Statement | None, report: Report) -> Counter[Key]:
    """Signals minus waits in a body itself; those of loops in it must balance for themselves."""
    net = _collect(body, report)
    totals: Counter[str] = Counter()
    for (event, _, _), count in net.items():
        totals[event] += count
    for event in sorted({event for (event, _, _), count in net.items() if count}):
        if totals[event]:
            more, less = ("signalled", "waited for") if totals[event] > 0 else ("waited for", "signalled")
            what = f"{more} {abs(totals[event])} times more than {less}"
        else:
            what = "signalled and waited for in different slots or under different conditions"
        place = "an iteration" if owner is not None else "the kernel's body"
        report.add(f"event {event} is {what} in {place}: the pipes would hang", owner)
    return net


def _collect(body: Sequence[Statement], report: Report) -> Counter[Key]:
    net: Counter[Key] = Counter()
    for statement in body:
        match statement:
            case Sync(op, event, slot) if event:
                shape = Poly(tuple(term for term in slot.terms if term[0]))
                net[event, (), shape] += 1 if op == "signal" else -1
            case Loop(_, _, _, _, _, inner) | Forall(_, inner):
                _balance(inner, statement, report)
            case If(condition, then, orelse):
                _branch(net, condition, _collect(then, report), _collect(orelse, report))
            case _:
                pass
    return net


def _branch(net: Counter[Key], condition: Poly, then: Counter[Key], orelse: Counter[Key]) -> None:
    """Add what both branches do as it is, and the rest under its condition."""
    for key in {**then, **orelse}:
        event, guards, shape = key
        if then[key] == orelse[key]:
            net[key] += then[key]
        else:
            net[event, (*guards, (condition, True)), shape] += then[key]
            net[event, (*guards, (condition, False)), shape] += orelse[key]
