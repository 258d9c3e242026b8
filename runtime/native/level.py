"""Which instructions machine code may use: this CPU's, or fewer of them, as VCC_NATIVE_CPU says.

The levels are those of the x86-64 psABI, by LLVM's names for what each has beside the one before. Features may follow:
`x86-64-v3,+avxvnni`. That makes code for a simpler CPU, to test or measure what others would run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from vcc.runtime.diagnostics import VccError, error

VARIABLE, HOST = "VCC_NATIVE_CPU", "host"
_ADDED = {
    "x86-64-v2": "sse2 cx16 sahf popcnt sse3 ssse3 sse4.1 sse4.2",
    "x86-64-v3": "avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}


@dataclass(frozen=True)
class Level:
    """A CPU to make code for: LLVM's `name` for it, and the names of all `features` beyond plain x86-64 and SSE2."""

    name: str
    features: tuple[str, ...]

    def __str__(self) -> str:
        extra = sorted(set(self.features) - set(_features(self.name)))
        return ",".join([self.name, *(f"+{feature}" for feature in extra)])

    def check(self, have: Mapping[str, bool]) -> None:
        """Raises VccError (E0202) if a CPU with these of LLVM's features cannot run code for this level."""
        if missing := [feature for feature in self.features if not have.get(feature)]:
            raise refused(self, f"this processor has no {', '.join(missing)}")


def chosen_level(environment: Mapping[str, str] = os.environ) -> Level | None:
    """The level that VCC_NATIVE_CPU asks for; None for the CPU as it is.

    Raises VccError (E0202) for what is no level.
    """
    text = environment.get(VARIABLE, "")
    name, *extra = (part.strip() for part in text.split(","))
    if name in ("", HOST) and not extra:
        return None
    if name not in _ADDED or any(not part[1:] or part[0] != "+" for part in extra):
        known = ", ".join((HOST, *_ADDED))
        raise error(
            "E0202", f"{VARIABLE}={text} is no processor", help=f"one of {known}, or such as x86-64-v3,+avxvnni"
        )
    features = _features(name)
    return Level(name, (*features, *(part[1:] for part in extra if part[1:] not in features)))


def refused(level: Level, reason: str) -> VccError:
    """The error for a level that this computer cannot run."""
    known = ", ".join((HOST, *_ADDED))
    return error("E0202", f"{VARIABLE}={level}: {reason}", help=f"unset {VARIABLE}, or take a lower one of {known}")


def _features(name: str) -> tuple[str, ...]:
    """All features of a level, those of the ones below first."""
    names = list(_ADDED)
    return tuple(feature for each in names[: names.index(name) + 1] for feature in _ADDED[each].split())
