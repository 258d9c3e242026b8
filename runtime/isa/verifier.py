"""The verifier: everything about a program that can be checked before any of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vcc.runtime.diagnostics import Diagnostic, VccError
from vcc.runtime.isa.host import Launch
from vcc.runtime.isa.kernel import Kernel
from vcc.runtime.isa.verifier_bounds import check_bounds, check_memories
from vcc.runtime.isa.verifier_events import check_events
from vcc.runtime.isa.verifier_instr import check_instructions, check_products
from vcc.runtime.isa.verifier_names import check_names
from vcc.runtime.isa.verifier_report import Report

if TYPE_CHECKING:
    from vcc.runtime.binary.image import Image
    from vcc.runtime.machine.model import Machine


def verify_kernel(kernel: Kernel, machine: Machine | None, nodes: Mapping[int, str] | None = None) -> list[Diagnostic]:
    """Every rule of the instruction set that the kernel breaks, as E0302 diagnostics; none if it is sound.

    With a machine, its buffers must fit and its matrix products exist there. `nodes` gives the ONNX node names of the
    kernel's sources by number. Checks that need others to have passed are made only if they have.
    """
    report = Report(kernel.name, nodes)
    check_names(kernel, report)
    if not report.found:
        check_instructions(kernel, report)
    if not report.found:
        check_bounds(kernel, report)
        check_events(kernel, report)
        if machine is not None:
            check_memories(kernel, machine.memories, machine.name, report)
            check_products(kernel, machine.macs, machine.name, report)
    return list(report.found)


def verify_image(image: Image) -> None:
    """Check the machine, every kernel, the host program and every launch of an image.

    Raises `VccError` with all problems: E0302, or E0201 for a machine description that is not valid.
    """
    from vcc.runtime.isa.verifier_launch import check_program
    from vcc.runtime.machine.model import parse_machine

    machine = parse_machine(image.machine, "machine section") if image.machine else None
    found: list[Diagnostic] = []
    for kernel in image.kernels:
        found += verify_kernel(kernel, machine, source_nodes(image, kernel.name))
    if not found:
        found = check_program(image)
    if found:
        raise VccError(found)


def source_nodes(image: Image, kernel: str) -> dict[int, str]:
    """One ONNX node name for each source of a kernel, from the first launch that gives one."""
    names: dict[int, str] = {}
    for step in image.host.steps:
        if isinstance(step, Launch) and step.kernel == kernel:
            for number, nodes in enumerate(step.sources):
                known = [image.nodes[node] for node in nodes if node < len(image.nodes)]
                names.update({number: known[0]} if known and number not in names else {})
    return names
