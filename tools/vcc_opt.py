"""`vcc-opt`: run passes on IR text or an ONNX model and print what comes out.

vcc-opt model.onnx -p inline,infer-shapes,fold-constants
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

from typing_extensions import override
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.printer import Printer
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError, VerifyException
from xdsl.xdsl_opt_main import xDSLOptMain

from vcc.compiler.context import make_context
from vcc.compiler.emit import load_weights
from vcc.compiler.pipeline import parse_passes
from vcc.dialects.dominance import check_dominance
from vcc.dialects.text import parse_module
from vcc.passes import all_passes
from vcc.runtime.diagnostics import Exit, VccError, error


def passes_in(path: str) -> dict[str, type[ModulePass]]:
    """The passes that a Python file defines, by name; E0204 or E0202 if it cannot be read or run or has none."""
    spec = importlib.util.spec_from_file_location(f"vcc_loaded_{Path(path).stem}", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise error("E0204", f"--load: cannot read {path} as a Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as failure:
        raise error("E0202", f"--load: {path} cannot be run: {type(failure).__name__}: {failure}") from failure
    classes = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, ModulePass)]
    found = {each.name: each for each in classes if each.__module__ == spec.name}
    if not found:
        raise error("E0202", f"--load: {path} defines no pass", help="a pass is a subclass of xdsl.passes.ModulePass")
    return found


class VccOptMain(xDSLOptMain):
    """xDSL's driver with vcc's dialects, passes and front end, and nothing of xDSL that vcc does not use."""

    version_format = "vcc-opt, built on xdsl {xdsl_version}"

    def __init__(self, args: Sequence[str]):
        # --load must be read before the passes in the pipeline are looked up.
        early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        early.add_argument("--load", action="append", default=[])
        self.loaded: list[str] = early.parse_known_args(list(args))[0].load
        self.seconds: list[tuple[str, float]] = []
        self.running: ModulePass | None = None
        super().__init__("Run vcc's passes on IR text or an ONNX model.", list(args))
        # To xDSL, stdin and stdout are no name at all.
        self.args.input_file = None if self.args.input_file == "-" else self.args.input_file
        self.args.output_file = None if self.args.output_file == "-" else self.args.output_file

    @override
    def register_all_dialects(self) -> None:
        self.ctx = make_context()
        # The ops of xDSL's own tests, for tests of passes that take any op.
        self.ctx.register_dialect("test", lambda: import_module("xdsl.dialects.test").Test)

    @override
    def register_all_passes(self) -> None:
        self.register_pass("canonicalize", lambda: import_module("xdsl.transforms.canonicalize").CanonicalizePass)
        for name, importer in all_passes().items():
            self.register_pass(name, importer)
        for path in self.loaded:
            for name, cls in passes_in(path).items():
                self.register_pass(name, lambda cls=cls: cls)

    @override
    def register_all_targets(self) -> None:
        self.available_targets["mlir"] = lambda: import_module("xdsl.targets.mlir").MLIRTarget

    @override
    def register_all_frontends(self) -> None:
        def read_text(stream: IO[bytes]) -> ModuleOp:
            if self.args.input_file:
                load_weights(Path(self.args.input_file), self.ctx)
            implicit = not self.args.no_implicit_module
            try:
                text = stream.read().decode()
            except UnicodeDecodeError as failure:
                raise error("E0107", f"{self.get_input_name()}: not UTF-8 text (byte {failure.start})") from None
            return parse_module(self.ctx, text, self.get_input_name(), implicit=implicit)

        def read_onnx(stream: IO[bytes]) -> ModuleOp:
            from vcc.compiler.frontend import import_model

            name = self.args.input_file
            return import_model(Path(name) if name else stream.read(), self.ctx, _shapes(self.args.shape))

        self.available_frontends["mlir"] = read_text
        self.available_frontends["onnx"] = read_onnx

    @override
    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        setattr(arg_parser, "error", _usage_error)  # noqa: B010 - a parser that xDSL made takes no subclass's method
        add = arg_parser.add_argument
        add("--load", action="append", metavar="FILE.py", help="add the passes that a Python file defines")
        add("--shape", action="append", default=[], metavar="NAME:1x3x8x8", help="sizes of an ONNX model's input")
        add("--print-ir-after-all", action="store_true", help="print the IR after every pass to stderr")
        add("--timing", action="store_true", help="print the seconds each pass took to stderr")

    @override
    def setup_pipeline(self) -> None:
        self.pipeline = parse_passes(self.args.passes, self.available_passes, self.ctx, self._between)
        self._start = time.perf_counter()

    def _between(self, previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
        if previous is not None:
            self.seconds.append((previous.name, time.perf_counter() - self._start))
        if not self.args.disable_verify:
            module.verify()
            check_dominance(module)
        if previous is not None and self.args.print_ir_after_all:
            print(f"// IR after {previous.name}", file=sys.stderr)
            Printer(sys.stderr, print_debuginfo=self.args.print_debuginfo).print_op(module)
            print(file=sys.stderr)
        self._start = time.perf_counter()
        self.running = following

    @override
    def run(self) -> None:
        super().run()
        if self.args.timing:
            for name, seconds in self.seconds:
                print(f"{seconds:10.4f} s  {name}", file=sys.stderr)


def _usage_error(message: str) -> NoReturn:
    raise error("E0202", message, help="vcc-opt --help")


def _shapes(given: Sequence[str]) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = {}
    for text in given:
        name, separator, sizes = text.rpartition(":")
        try:
            shapes[name] = [int(size) for size in sizes.split("x")] if sizes else []
        except ValueError:
            separator = ""
        if not separator or not name:
            raise error("E0202", f"--shape {text}: expected NAME:1x3x224x224")
    return shapes


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vcc-opt` with these arguments (those of the process by default) and return its exit code."""
    driver: VccOptMain | None = None
    try:
        driver = VccOptMain(sys.argv[1:] if argv is None else argv)
        driver.run()
    except VccError as failure:
        print(failure, file=sys.stderr)
        return int(failure.exit_code)
    except (ParseError, VerifyException, DiagnosticException) as failure:
        print(f"error[VCC-E0107]: {str(failure).rstrip()}", file=sys.stderr)
        return int(Exit.MODEL)
    except OSError as failure:
        print(f"error[VCC-E0204]: {failure.filename}: {failure.strerror}", file=sys.stderr)
        return int(Exit.USAGE)
    except ArgSpecParseError as failure:
        print(f"error[VCC-E0202]: -p: {str(failure).rstrip()}", file=sys.stderr)
        return int(Exit.USAGE)
    except Exception as failure:
        if isinstance(failure, ValueError) and (driver is None or driver.running is None):
            # What xDSL's driver raises for a pipeline, option or file extension it does not know.
            print(f"error[VCC-E0202]: {failure}", file=sys.stderr)
            return int(Exit.USAGE)
        # Who runs single passes is writing one: the traceback is what they want to see.
        traceback.print_exc()
        where = f"pass {driver.running.name}" if driver is not None and driver.running is not None else "vcc-opt"
        print(f"vcc-opt: {where} crashed: {type(failure).__name__}: {failure}", file=sys.stderr)
        return int(Exit.BUG)
    return int(Exit.OK)


if __name__ == "__main__":
    sys.exit(main())
