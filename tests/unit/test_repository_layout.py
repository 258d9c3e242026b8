"""Who may import whom, and how fast the command starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import PACKAGES, Import, find_cycle, imports_in, imports_of

ROOT = Path(__file__).resolve().parents[2]

#: What dialects and passes may know of runtime: the parts that need numpy alone.
SHARED_RUNTIME = {"isa", "machine", "plan", "diagnostics"}

#: The bound on `vcc --help`: seconds, or on a computer on which that is nothing, starts of Python that do nothing.
MAX_HELP_SECONDS, MAX_HELP_STARTS = 0.150, 12


def offence(package: str, found: Import) -> str | None:
    """Why a module of `package` may not have this import, or None if it may."""
    top, *rest = found.module.split(".")
    if found.module.startswith("."):
        return "a relative import; write vcc.X"
    if top in PACKAGES:
        return "a package of vcc without 'vcc.' in front"
    if top == "xdsl" and package == "runtime":
        return "xDSL, which the runtime does without"
    if top != "vcc" or not rest or rest[0] not in PACKAGES:
        return None
    other = rest[0]
    if PACKAGES.index(other) > PACKAGES.index(package):
        return f"a later package; the order is {', '.join(PACKAGES)}"
    if package in ("dialects", "passes") and other == "runtime" and (len(rest) < 2 or rest[1] not in SHARED_RUNTIME):
        return f"more of runtime than {', '.join(sorted(SHARED_RUNTIME))}"
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_keep_the_order_of_the_packages(package: str):
    found = list(imports_of(ROOT, package))
    offences = [f"{entry}: {why}" for entry in found if (why := offence(package, entry))]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize("package", PACKAGES)
def test_parts_of_a_package_do_not_import_each_other_in_a_circle(package: str):
    """A part is a folder or module right inside a package; imports inside functions and for types only do not count."""
    edges: dict[str, set[str]] = {}
    for entry in imports_of(ROOT, package):
        words = entry.module.split(".")
        if entry.at_load and words[:2] == ["vcc", package] and len(words) > 2:
            part = Path(entry.source).parts[1].removesuffix(".py")
            edges.setdefault(part, set()).update({words[2]} - {part})
    assert not find_cycle(edges)


@pytest.mark.parametrize(
    ("package", "line", "why"),
    [
        ("runtime", "import xdsl.ir", "xDSL"),
        ("runtime", "from vcc import compiler", "later package"),
        ("passes", "from vcc.runtime.session import load", "more of runtime"),
        ("dialects", "from vcc import runtime", "more of runtime"),
        ("tools", "import passes.graph", "without 'vcc.'"),
        ("tools", "from . import api", "relative"),
        ("compiler", "def f():\n    import tools.vcc", "without 'vcc.'"),
        ("passes", "from vcc.runtime import isa", None),
        ("tools", "from vcc.compiler.api import compile", None),
    ],
)
def test_the_rules_themselves(package: str, line: str, why: str | None):
    (entry,) = imports_in(line, "x.py")
    found = offence(package, entry)
    assert found is None if why is None else found is not None and why in found


def test_cycles_are_found():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_imports_inside_functions_are_not_at_load():
    text = "import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    import c\nclass D:\n    import d\n"
    assert {entry.module: entry.at_load for entry in imports_in(text, "x.py")} == {
        "a": True,
        "b": False,
        "c": False,
        "d": True,
    }


HELP = "import sys; from vcc.tools.vcc import main; sys.exit(main(['--help']))"


def seconds_of(code: str, said: bytes) -> float:
    """User and system time of one process of Python that runs some code, in seconds."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and said in text.lower()
    return usage.ru_utime + usage.ru_stime


def test_help_starts_quickly():
    """The best of five counts: what else the machine does is not the command's fault."""
    starts = [(seconds_of(HELP, b"usage"), seconds_of("", b"")) for _ in range(5)]
    helping, starting = map(min, zip(*starts, strict=True))
    assert helping <= max(MAX_HELP_SECONDS, MAX_HELP_STARTS * starting)
