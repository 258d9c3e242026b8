"""Which iterations of a forall touched which bytes: between them there is no order, on however many cores they ran.

Iterations of all foralls of a launch are numbered from 1; those up to `past` were over when the present forall began.
"""

from __future__ import annotations

import numpy as np

from vcc.runtime.interpreter.accesses import Access, shadow_bytes


class Footprint:
    """Of every byte of one memory: the iteration that wrote it last, and the one that read it last.

    The latter is negative if other iterations of the same forall read it too.
    """

    def __init__(self, nbytes: int):
        self._written = np.zeros(nbytes, np.int32)
        self._read = np.zeros(nbytes, np.int32)

    def stale(self, access: Access, iteration: int) -> bool:
        """Whether a byte is read that another iteration wrote."""
        written = shadow_bytes(self._written, access)
        return access.reads and not access.partial and bool(((written != 0) & (written != iteration)).any())

    def conflict(self, access: Access, iteration: int, past: int) -> bool:
        """Whether another iteration of this forall wrote a byte of the access, or read one that it writes."""
        if access.partial:
            return False
        arrays = [self._written, self._read] if access.writes else [self._written]
        touched = [shadow_bytes(array, access) for array in arrays]
        return any(bool(((abs(other) > past) & (other != iteration)).any()) for other in touched)

    def record(self, access: Access, iteration: int, past: int) -> None:
        """Remember the access."""
        if access.partial:
            return
        if access.reads:
            read = shadow_bytes(self._read, access)
            read[...] = np.where((abs(read) <= past) | (read == iteration), iteration, -iteration)
        if access.writes:
            shadow_bytes(self._written, access)[...] = iteration
