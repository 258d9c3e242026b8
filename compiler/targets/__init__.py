"""The machines that come with vcc, one description (TOML) each; `host` stands for the one that fits this CPU."""

from __future__ import annotations

import platform
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from vcc.runtime.diagnostics import error
from vcc.runtime.machine.model import Machine, parse_machine
from vcc.runtime.native.level import chosen_level, refused

FOLDER = Path(__file__).resolve().parent
HOST = "host"

#: CPU flags that each host target needs, the widest first; host-generic needs none.
HOST_FLAGS: tuple[tuple[str, frozenset[str]], ...] = (
    ("host-avx512", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"})),
    ("host-avx2", frozenset({"avx2", "fma"})),
    ("host-generic", frozenset()),
)


#: The host target for each level that VCC_NATIVE_CPU can ask for.
LEVEL_TARGETS = {"x86-64-v4": "host-avx512", "x86-64-v3": "host-avx2", "x86-64-v2": "host-generic"}


def target_names() -> tuple[str, ...]:
    """The names of all targets, sorted; `host` is not among them, since it stands for one of them."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def host_target(flags: frozenset[str] | None = None) -> str:
    """The name of the host target for these CPU flags (default: this CPU's, or those of VCC_NATIVE_CPU).

    Raises `VccError` E0202 if VCC_NATIVE_CPU is no level of x86-64 or one that this CPU does not have.
    """
    level = chosen_level() if flags is None else None
    have = _cpu_flags() if flags is None else flags
    found = next(name for name, need in HOST_FLAGS if need <= have)
    if level is None:
        return found
    names, wanted = [name for name, _ in HOST_FLAGS], LEVEL_TARGETS[level.name]
    if have and names.index(wanted) < names.index(found):
        raise refused(level, f"this computer is {found}")
    return wanted


def load_target(name_or_path: str | Path) -> Machine:
    """The machine of that name, `host`, or of a file (a path with a folder or ending in .toml).

    Raises `VccError` E0201 for an unknown name or a faulty description, E0204 for a file that cannot be read.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or name.endswith(".toml") or "/" in name:
        return _load_file(Path(name), name)
    if name == HOST:
        name = host_target()
    if name not in target_names():
        known = (HOST, *target_names())
        close = get_close_matches(name, known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"known targets: {', '.join(known)}; or give a .toml file"
        raise error("E0201", f"unknown target '{name}'", help=hint)
    return _load_file(FOLDER / f"{name}.toml", name)


def _load_file(path: Path, origin: str) -> Machine:
    try:
        text = path.read_text("utf-8")
    except OSError as problem:
        raise error("E0204", f"cannot read the machine description {path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise error("E0201", f"{origin}: not UTF-8 text") from problem
    return parse_machine(text, origin)


@cache
def _cpu_flags() -> frozenset[str]:
    """This CPU's flags as Linux names them; none elsewhere, which makes the host generic."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return frozenset()
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()
