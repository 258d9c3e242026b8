"""One model on its way through the phases: its module, context, machine and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from vcc.compiler.context import make_context
from vcc.compiler.emit import print_ir, read_ir, write_ir
from vcc.compiler.files import make_folder
from vcc.compiler.interface import check_bound
from vcc.compiler.made_for import UNAWARE, check_machine, record_machine
from vcc.compiler.options import Options
from vcc.compiler.pipeline import IR_PHASES, PHASE_NAMES, PassCrashError, Trace, collector_paused, run_pipeline, verify
from vcc.compiler.support import check_dtypes, check_sizes
from vcc.compiler.targets import load_target
from vcc.compiler.work import Work, check_host_ops, count_work
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.machine.model import Machine

if TYPE_CHECKING:
    from onnx import ModelProto

    from vcc.runtime.binary.image import Image


class Compilation:
    """A module after phase `phase`; `advance` takes it on, `encode` ends it.

    `work` counts the model's work on the machine and on the host, once the graph phase is done.
    """

    def __init__(
        self,
        options: Options,
        machine: Machine,
        ctx: Context,
        module: ModuleOp,
        phase: str,
        trace: Trace,
        restart: Callable[[], Compilation],
    ):
        """`restart` makes the same compilation anew, as it is now."""
        self.options, self.machine, self.ctx, self.module = options, machine, ctx, module
        self.phase, self.trace = phase, trace
        self.work: Work | None = None
        self._restart = restart

    @classmethod
    def from_model(
        cls, model: str | Path | bytes | ModelProto, options: Options, *, need_sizes: bool = True
    ) -> Compilation:
        """Import a model. Raises the frontend's `VccError`s, E0201 for the target and E0104 for open dimensions.

        Without `need_sizes`, open dimensions stay in the module.
        """
        machine = _machine(options)
        trace = Trace()
        with trace.measure("import", "import"), collector_paused():
            from vcc.compiler.frontend import import_model

            ctx = make_context(machine)
            module = import_model(model, ctx, options.shapes, options.values)
            verify(module, "phase 'import'")
        if need_sizes:
            check_bound(module)
        again = replace(options, save_temps=None)
        restart = partial(cls.from_model, model, again, need_sizes=False)
        made = cls(options, machine, ctx, module, "import", trace, restart)
        made._dump("import", module)
        return made

    @classmethod
    def from_ir(cls, path: Path, phase: str, options: Options) -> Compilation:
        """Go on from the IR in `path`, which phase `phase` made; E0107 if it is not valid, E0202 for another target."""
        if phase not in IR_PHASES:
            raise error("E0202", f"'{phase}' is not a phase with IR", help=f"phases: {', '.join(IR_PHASES)}")
        machine = _machine(options)
        trace = Trace()
        with trace.measure("read", "read"), collector_paused():
            ctx = make_context(machine)
            module = read_ir(path, ctx)
            check_machine(module, machine, path)
            verify(module, f"reading {path}")
        again = replace(options, save_temps=None)
        made = cls(options, machine, ctx, module, phase, trace, partial(cls.from_ir, path, phase, again))
        if phase == "graph":
            made._look_at_operators()
        return made

    def advance(self, stop_after: str = IR_PHASES[-1]) -> None:
        """Run the phases up to and with `stop_after`; nothing happens if that one is done already."""
        try:
            run_pipeline(
                self.module,
                self.ctx,
                start_from=self.phase,
                stop_after=stop_after,
                verify_each=self.options.verify_each,
                observer=self._observe,
                trace=self.trace,
            )
        except PassCrashError as crash:
            crash.reproduce = partial(self._before_crash, crash)
            raise

    def encode(self) -> Image:
        """The image of the module, after all other phases."""
        self.advance()
        with self.trace.measure("encode", "encode"), collector_paused():
            from vcc.compiler.backend.encode import encode

            try:
                return encode(self.module, self.ctx, self.machine)
            except VccError:
                raise
            except Exception as failure:
                crash = PassCrashError("encode", 0, "encode")
                crash.reproduce = partial(print_ir, self.module)
                raise crash from failure

    def _before_crash(self, crash: PassCrashError) -> str:
        """The IR as it was before the pass that crashed: everything before that pass is run again."""
        again = self._restart()
        stop = (crash.phase, crash.index)
        run_pipeline(again.module, again.ctx, start_from=again.phase, stop_after=crash.phase, stop_before=stop)
        return print_ir(again.module)

    def _observe(self, phase: str, module: ModuleOp) -> None:
        self.phase = phase
        if phase == "graph":
            self._look_at_operators()
        if phase not in UNAWARE:
            record_machine(module, self.machine)
        self._dump(phase, module)

    def _look_at_operators(self) -> None:
        """Refuse what the later phases cannot take, and count the rest: the graph dialect alone shows all of it."""
        check_dtypes(self.module)
        check_sizes(self.module)
        check_host_ops(self.module, self.options.host_ops)
        self.work = count_work(self.module)

    def _dump(self, phase: str, module: ModuleOp) -> None:
        folder = self.options.save_temps
        if folder is not None:
            make_folder(folder)
            write_ir(module, self.ctx, folder / f"{PHASE_NAMES.index(phase)}-{phase}.mlir")


def _machine(options: Options) -> Machine:
    """The target's machine, as far as the options let it be used. Raises E0201 for the target."""
    machine = load_target(options.target)
    return machine if options.winograd else replace(machine, winograd=0)
