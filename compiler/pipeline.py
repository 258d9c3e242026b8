"""The pipeline: which passes make up which phase, and the runner that takes a module through them.

The names in `PHASES` are those of `vcc-opt -p`, `--emit`, `--from`, dumps, timings and the folders of `passes/`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import VerifyException

from vcc.compiler.targets import load_target
from vcc.dialects.dominance import check_dominance
from vcc.dialects.origin import node_names
from vcc.dialects.visa import TargetMachine
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.machine.model import Machine


@dataclass(frozen=True)
class Phase:
    """A named step of the compilation: the passes it runs, in order, as `vcc-opt -p` spells them."""

    name: str
    passes: tuple[str, ...] = ()


PHASES: tuple[Phase, ...] = (
    Phase("import"),  # compiler/frontend: the model becomes a module
    Phase(
        "graph",
        (
            "inline",
            "infer-shapes",
            "form-integer-products",
            "fold-constants",
            "merge-branches",
            "lower-onnx",
            "simplify-graph",
            "move-softmax-guards",
            "form-byte-tables",
            "cse",
            "dce",
        ),
    ),
    Phase(
        "fuse",
        (
            "apply-rules",
            "fold-batchnorm",
            "expand-average-pool",
            "split-bias",
            "gather-reflections",
            "split-concats",
            "sink-reshapes",
            "simplify-graph",
            "cse",
            "dce",
            "share-heads",
            "merge-matmuls",
            "choose-layouts",
            "form-kernels",
            "alias-movements",
        ),
    ),
    Phase("tile", ("share-kernels", "tile-kernels")),
    Phase("schedule", ("multi-buffer", "insert-events", "prune-events", "allocate-buffers")),
    Phase("plan", ("order-kernels", "plan-arena", "lower-to-host")),
    Phase("encode"),  # compiler/backend: the module becomes an image
)

PHASE_NAMES = tuple(phase.name for phase in PHASES)

#: The phases after which the compilation is an IR module, so that `--emit` and `--from` make sense.
IR_PHASES = PHASE_NAMES[:-1]


@dataclass(frozen=True)
class PassTime:
    """The seconds one pass took; the verifier's are under the name "verify"."""

    phase: str
    name: str
    seconds: float


@dataclass
class Trace:
    """What a compilation did so far: the time of each pass, in order."""

    times: list[PassTime] = field(default_factory=list[PassTime])

    @contextmanager
    def measure(self, phase: str, name: str) -> Generator[None]:
        """Add the time of the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.times.append(PassTime(phase, name, time.perf_counter() - start))

    def phase_seconds(self) -> dict[str, float]:
        """Seconds per phase, in order."""
        seconds: dict[str, float] = {}
        for each in self.times:
            seconds[each.phase] = seconds.get(each.phase, 0.0) + each.seconds
        return seconds


class PassCrashError(Exception):
    """A pass raised something no user can be blamed for; the cause is chained.

    `reproduce`, if there is one, makes the text of the IR as it was before the pass.
    """

    reproduce: Callable[[], str] | None = None

    def __init__(self, phase: str, index: int, spec: str):
        super().__init__(f"pass '{spec}' of phase '{phase}'")
        self.phase, self.index, self.spec = phase, index, spec


#: Called after each phase with its name and the module.
Observer = Callable[[str, ModuleOp], None]


def run_pipeline(
    module: ModuleOp,
    ctx: Context,
    *,
    start_from: str = "import",
    stop_after: str = IR_PHASES[-1],
    stop_before: tuple[str, int] | None = None,
    verify_each: bool = False,
    observer: Observer | None = None,
    trace: Trace | None = None,
) -> Trace:
    """Run the phases after `start_from`, which made `module`, up to and with `stop_after`; changes `module`.

    `stop_before` (phase, index of a pass) leaves off before that pass, to reproduce a crash. Raises `VccError` from
    passes and the verifier (E0107 with the pass's or phase's name), `PassCrashError` for any other exception.
    """
    trace = Trace() if trace is None else trace
    with collector_paused():
        for phase in _phases_between(start_from, stop_after):
            for index, spec in enumerate(phase.passes):
                if stop_before == (phase.name, index):
                    return trace
                _run_pass(spec, index, phase.name, module, ctx, trace)
                if verify_each:
                    _verify(module, phase.name, f"pass '{spec}'", trace)
            if not verify_each:
                _verify(module, phase.name, f"phase '{phase.name}'", trace)
            if observer is not None:
                observer(phase.name, module)
    return trace


def _phases_between(start_from: str, stop_after: str) -> tuple[Phase, ...]:
    for name in (start_from, stop_after):
        if name not in IR_PHASES:
            raise error("E0202", f"'{name}' is not a phase with IR", help=f"phases: {', '.join(IR_PHASES)}")
    return PHASES[PHASE_NAMES.index(start_from) + 1 : PHASE_NAMES.index(stop_after) + 1]


def _run_pass(spec: str, index: int, phase: str, module: ModuleOp, ctx: Context, trace: Trace) -> None:
    with trace.measure(phase, spec):
        try:
            make_pass(spec).apply(ctx, module)
        except VccError:
            raise
        except Exception as failure:
            raise PassCrashError(phase, index, spec) from failure


def make_pass(spec: str) -> ModulePass:
    """The pass that `spec` ("name" or "name{option=1}") tells of. Raises ValueError if there is no such pass."""
    from vcc.passes import all_passes

    (made,) = parse_passes(spec, all_passes()).passes
    return made


def parse_passes(
    text: str,
    available: Mapping[str, Callable[[], type[ModulePass]]],
    ctx: Context | None = None,
    callback: Callable[[ModulePass | None, ModuleOp, ModulePass | None], None] | None = None,
) -> PassPipeline:
    """The passes of `vcc-opt -p`. Raises E0202 for an unknown pass, ValueError for an option, E0201 for a target.

    Any pass takes the option `target`, a target's name or file: it gives `ctx` the machine that passes ask for.
    """
    specs: list[ArgSpec] = []
    for spec in parse_pipeline(text):
        parameters = dict(spec.parameters)
        target = parameters.pop("target", None)
        if target is not None and ctx is not None:
            choose_machine(ctx, load_target(",".join(map(str, target))))
        specs.append(ArgSpec(spec.name, parameters))
    if unknown := [spec.name for spec in specs if spec.name not in available]:
        close = get_close_matches(unknown[0], available, 1)
        hint = f"did you mean '{close[0]}'?" if close else "vcc's are in passes/__init__.py; --load FILE.py adds others"
        raise error("E0202", f"unknown passes: {', '.join(unknown)}", help=hint)
    return PassPipeline(tuple(available[spec.name]().from_pass_spec(spec) for spec in specs), callback)


def choose_machine(ctx: Context, machine: Machine) -> None:
    """Compile for `machine` from now on."""
    target = ctx.get_dialect("visa").get_interface(TargetMachine)
    assert target is not None, "the visa dialect is registered without a machine"
    target.machine = machine


def verify(module: ModuleOp, culprit: str) -> None:
    """E0107, naming `culprit` and the op's ONNX node, if `module` is not valid."""
    try:
        module.verify()
    except VerifyException as failure:
        raise _invalid(module, culprit, failure) from failure
    check_dominance(module)


def _verify(module: ModuleOp, phase: str, culprit: str, trace: Trace) -> None:
    with trace.measure(phase, "verify"):
        verify(module, culprit)


def _invalid(module: ModuleOp, culprit: str, failure: VerifyException) -> VccError:
    # The verifier's exception does not say which op it was about.
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as found:
            reason = str(found).strip().splitlines()[-1]
            return error("E0107", f"after {culprit}: {reason}", node=", ".join(node_names(op)), op=op.name)
    return error("E0107", f"after {culprit}: {failure}")


@contextmanager
def collector_paused() -> Generator[None]:
    """Keep the cyclic garbage collector off: IR is all cycles and all alive, so its searches find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
