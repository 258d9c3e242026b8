"""What one thread of a run has for itself: on-chip memories, and before them the word that asks its code to stop.

Native code looks at the word between launches, between the iterations of a kernel's forall and while it waits for other
threads, and leaves at once if it is set. What it has written by then is of no use.
"""

from __future__ import annotations

import ctypes

from vcc.runtime.host.executor import ALIGNMENT, allocate

#: Where the word is, in bytes from where the on-chip memories begin.
STOP_WORD = -ALIGNMENT
#: What a kernel that was stopped gives for a trap.
STOPPED = "the run was interrupted"


class Scratch:
    """`address` is that of `nbytes` uninitialised bytes, aligned as `allocate` does."""

    def __init__(self, nbytes: int):
        self._memory = allocate(ALIGNMENT + nbytes)
        self.address = self._memory.ctypes.data + ALIGNMENT
        self._word = ctypes.c_int64.from_address(self.address + STOP_WORD)
        self._word.value = 0

    def stop(self) -> None:
        """Ask the code that uses this memory to leave."""
        self._word.value = 1
