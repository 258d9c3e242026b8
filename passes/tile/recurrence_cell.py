"""The vector instructions of a recurrent cell: from what products and inputs give to each gate, the new state."""

from __future__ import annotations

from collections.abc import Sequence

from vcc.dialects.graph import Cell
from vcc.passes.tile.builder import KernelBuilder
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.kernel import Dim, Memory, Operand, View


class CellCode:
    """Emits instructions over a domain `dims` of sequences and hidden units, of which all views are.

    `bias` is that of a GRU's last gate, `peepholes` those of an LSTM's gates i, o and f.
    """

    def __init__(
        self,
        builder: KernelBuilder,
        dims: Sequence[Dim],
        dtype: DType,
        sources: Sequence[int],
        bias: View | None = None,
        peepholes: Sequence[View] = (),
    ):
        self.builder, self.dims, self.dtype, self.sources = builder, list(dims), dtype, sources
        self.bias, self.peepholes = bias, peepholes

    def emit(self, op: str, dst: View, a: View, b: View | None = None) -> None:
        """One instruction."""
        operands: dict[str, Operand] = {"dst": dst, "a": a}
        if b is not None:
            operands["b"] = b
        self.builder.emit(op, self.dims, operands, sources=self.sources)

    def lstm(self, gates: Sequence[View], inputs: Sequence[View], h: View, c: View) -> None:
        """The new `h`, and in place the new `c`; the gates are i, o, f and c, which are overwritten."""
        into, out, forget, cell = gates
        for gate, x, row in ((into, inputs[0], 0), (forget, inputs[2], 2)):
            self.emit("add", gate, gate, x)
            self._peep(gate, c, row)
            self.emit("sigmoid", gate, gate)
        self.emit("add", cell, cell, inputs[3])
        self.emit("tanh", cell, cell)
        self.emit("mul", c, c, forget)
        self.emit("mul", cell, cell, into)
        self.emit("add", c, c, cell)
        self.emit("add", out, out, inputs[1])
        self._peep(out, c, 1)
        self.emit("sigmoid", out, out)
        self.emit("tanh", h, c)
        self.emit("mul", h, h, out)

    def _peep(self, gate: View, c: View, row: int) -> None:
        """Add the cell state times a row of the peephole weights."""
        if self.peepholes:
            seen = self.builder.alloc("seen", Memory.UB, [dim.max for dim in self.dims], self.dtype).view()
            self.emit("mul", seen, c, self.peepholes[row])
            self.emit("add", gate, gate, seen)

    def gru_gates(self, gates: Sequence[View], inputs: Sequence[View]) -> None:
        """The gates z and r, in place."""
        for gate, x in zip(gates, inputs, strict=True):
            self.emit("add", gate, gate, x)
            self.emit("sigmoid", gate, gate)

    def gru_candidate(self, new: View, reset: View) -> None:
        """What the state gives to the last gate where its product comes before the reset."""
        if self.bias is not None:
            self.emit("add", new, new, self.bias)
        self.emit("mul", new, new, reset)

    def gru_state(self, new: View, update: View, x: View, h: View) -> None:
        """The new `h` in place; `new` is overwritten."""
        self.emit("add", new, new, x)
        self.emit("tanh", new, new)
        self.emit("sub", h, h, new)
        self.emit("mul", h, h, update)
        self.emit("add", h, h, new)

    def rnn(self, cell: Cell, gate: View, x: View, h: View) -> None:
        """The new `h`."""
        self.emit("add", h, gate, x)
        self.emit("tanh" if cell is Cell.RNN_TANH else "relu", h, h)
