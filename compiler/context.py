"""The xDSL context of one compilation: every dialect the phases speak, the weights and the machine."""

from __future__ import annotations

from xdsl.context import Context

from vcc.dialects.weights import WeightStore, register_weights
from vcc.runtime.machine.model import Machine


def make_context(machine: Machine | None = None, store: WeightStore | None = None) -> Context:
    """A context with all dialects, whose weights live in `store` (a new one by default).

    Without a machine, passes that ask for one (from tiling on) raise E0201.
    """
    # Late: a frontend alone, or a test of one dialect, need not pay for all of them.
    from xdsl.dialects import arith, builtin, func, scf

    from vcc.dialects.graph import Graph
    from vcc.dialects.host import Host
    from vcc.dialects.onnx import register_onnx
    from vcc.dialects.visa import register_visa

    ctx = Context()
    for dialect in (builtin.Builtin, func.Func, arith.Arith, scf.Scf):
        ctx.load_dialect(dialect)
    register_weights(ctx, store)
    register_onnx(ctx)
    ctx.register_dialect("graph", lambda: Graph)
    register_visa(ctx, machine)
    ctx.register_dialect("host", lambda: Host)
    return ctx
