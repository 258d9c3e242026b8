"""What a compile did, as people read it and as JSON: nothing that happened to the model is left unsaid."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import plural
from vcc.tools.output import count_text, name_text, note, size_text, table

if TYPE_CHECKING:
    from vcc.compiler.compilation import Compilation
    from vcc.runtime.binary.image import Image

#: Rows of host operators that the summary shows before it counts the rest; `--report` has them all.
SHOWN_HOST_OPS = 12
SHOWN_NODES = 5


def report(compilation: Compilation, image: Image) -> dict[str, Any]:
    """The facts about a finished compilation, as JSON values."""
    from vcc.runtime.isa.host import HostCall, Launch

    steps = image.host.steps
    work = compilation.work
    found: dict[str, Any] = {
        "target": compilation.machine.name,
        "machine": machine_text(compilation),
        "options": compilation.options.as_dict(),
        "kernels": len(image.kernels),
        "launches": sum(isinstance(step, Launch) for step in steps),
        "host_calls": sum(isinstance(step, HostCall) for step in steps),
        "constants_bytes": sum(constant.data.nbytes for constant in image.constants),
        "arena_bytes": image.host.arena_bytes,
        "arena_lower_bound_bytes": image.lower_bound,
        "seconds": compilation.trace.phase_seconds(),
        "passes": [asdict(each) for each in compilation.trace.times],
    }
    if work is not None:
        found |= {
            "machine_ops": work.machine_ops,
            "machine_macs": work.machine_macs,
            "host_macs": work.host_macs,
            "machine_share": work.machine_share,
            "host_ops": [asdict(each) for each in work.host],
            "node_macs": dict(work.node_macs),
        }
    return found


def machine_text(compilation: Compilation) -> str:
    """The machine's name, and the file that describes it if that is the user's own: its name may be a copy's."""
    target = compilation.options.target
    return f"{compilation.machine.name} ({target})" if target.endswith(".toml") else compilation.machine.name


def print_summary(facts: dict[str, Any], output: str, model: str | None) -> None:
    """The facts of `report` on stderr, with a hint that names these files if there is a model to speak of."""
    note(f"{output}: compiled for {facts['machine']}")
    launches, calls = plural(facts["launches"], "launch"), plural(facts["host_calls"], "host call")
    note(f"  kernels     {facts['kernels']}, in {launches}; {calls}")
    if "machine_share" in facts:
        _print_work(facts)
    else:
        note("  work        not counted: it shows in the graph phase alone, which was not run")
    arena, bound = facts["arena_bytes"], facts["arena_lower_bound_bytes"]
    over = f", {100 * (arena - bound) / bound:.1f} % above the lower bound {size_text(bound)}" if bound else ""
    note(f"  arena       {size_text(arena)}{over}")
    note(f"  constants   {size_text(facts['constants_bytes'])}")
    seconds: dict[str, float] = facts["seconds"]
    phases = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    note(f"  compiled in {sum(seconds.values()):.2f} s ({phases})")
    if model is not None:
        note(f"  hint: {hint(facts, output, model)}")


def _print_work(facts: dict[str, Any]) -> None:
    host: list[dict[str, Any]] = facts["host_ops"]
    macs = facts["machine_macs"] + facts["host_macs"]
    if macs:
        note(f"  work        {count_text(macs)} MACs, {100 * facts['machine_share']:.1f} % of them on the machine")
    if facts["node_macs"]:
        dearest = list(facts["node_macs"].items())[:SHOWN_NODES]
        note(f"  dearest     {', '.join(f'{name_text(node)} {100 * count / macs:.1f} %' for node, count in dearest)}")
    note(f"  operations  {facts['machine_ops']} on the machine, {len(host)} on the host")
    if host:
        kinds = Counter((each["op"], each["reason"]) for each in host)
        rows = [(op, count, reason) for (op, reason), count in kinds.most_common()]
        table(("host operator", "nodes", "reason"), rows[:SHOWN_HOST_OPS], sys.stderr, "    ")
        nodes = [name_text(each["node"] or each["op"]) for each in host]
        more = f" and {len(nodes) - SHOWN_HOST_OPS} more" if len(nodes) > SHOWN_HOST_OPS else ""
        note(f"    nodes: {', '.join(nodes[:SHOWN_HOST_OPS])}{more}")


def hint(facts: dict[str, Any], output: str, model: str) -> str:
    """One thing worth doing next, as a command that can be pasted where there is one."""
    host: list[dict[str, Any]] = facts.get("host_ops", [])
    arena, bound = facts["arena_bytes"], facts["arena_lower_bound_bytes"]
    if host and facts["host_macs"] and facts["machine_share"] < 0.99:
        dearest = max(host, key=lambda each: each["macs"])
        return f"{dearest['op']} '{name_text(dearest['node'])}' is the dearest operator left on the host"
    if bound and arena > 1.1 * bound:
        return f"vcc inspect {quote(output)} --memory shows which tensors hold the arena's peak"
    return f"vcc diff {quote(model)} {quote(output)} compares every tensor with ONNX Runtime"
