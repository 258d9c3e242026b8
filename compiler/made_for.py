"""For which machine IR is: from the fuse phase on it says so, since costs and sizes of that machine are in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zlib import crc32

from xdsl.dialects.builtin import ModuleOp, StringAttr

from vcc.runtime.diagnostics import error
from vcc.runtime.machine.model import Machine

#: On the module: the machine's name, and a checksum of its description without comments.
MACHINE = "vcc.machine"
#: The phases that know no machine.
UNAWARE = ("import", "graph")


def record_machine(module: ModuleOp, machine: Machine) -> None:
    """Write down for which machine a module is."""
    module.attributes[MACHINE] = StringAttr(_written(machine))


def check_machine(module: ModuleOp, machine: Machine, path: Path) -> bool:
    """E0202 if the IR in `path` is for another machine than `machine`; whether it says for which one it is."""
    found = module.attributes.get(MACHINE)
    if not isinstance(found, StringAttr):
        return False
    if found.data != _written(machine):
        name = found.data.rpartition(" ")[0]
        what = f"another description of {name}" if name == machine.name else f"{name}, not {machine.name}"
        raise error("E0202", f"{path} was made for {what}", help=f"--target {name}, or the file that describes it")
    return True


def _written(machine: Machine) -> str:
    return f"{machine.name} {crc32(repr(replace(machine, text='')).encode()):08x}"
