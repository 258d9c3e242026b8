"""Which phase can have made some IR: what `--from` says is checked before passes trip over it."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from vcc.compiler.pipeline import IR_PHASES
from vcc.runtime.diagnostics import error


def check_phase(module: ModuleOp, origin: str, phase: str) -> None:
    """E0202 if `phase` cannot have made the module, which was read from `origin`."""
    possible = phases_of(module)
    if phase not in possible:
        hint = " or ".join(f"--from {each}" for each in possible)
        raise error("E0202", f"{origin} is not the IR after phase {phase}", help=f"it can be that of {hint}")


def phases_of(module: ModuleOp) -> tuple[str, ...]:
    """The phases that can have made the module, by the operations in it; a model may have none that tell."""
    names = {op.name for op in module.walk()}
    if "host.program" in names:
        return ("plan",)
    if "visa.kernel" in names:
        return ("tile", "schedule")
    if any(name.startswith("onnx.") for name in names):
        return ("import",)
    if "graph.kernel" in names:
        return ("fuse",)
    return tuple(phase for phase in IR_PHASES if phase != "plan")
