"""Bounds on what a kernel may contain, so that reading, checking and running one takes bounded depth and time."""

from __future__ import annotations

#: Structured control flow nests no deeper: tools recurse over it.
MAX_NESTING = 64
#: Bounds on one Poly.
MAX_TERMS = 256
MAX_FACTORS = 16
#: Dimensions of a buffer or tensor.
MAX_RANK = 32
#: Bytes of one tensor, and of the arena: what a .vbin can say.
MAX_BYTES = 1 << 48
