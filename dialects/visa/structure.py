"""Operations of the `visa` dialect that are not instructions: kernels, loops over cores, buffers, events, launches."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import scf
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, NoTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.visa.types import BufferType, EventType, GlobalType
from vcc.runtime.isa.kernel import Memory, Pipe


@irdl_op_definition
class KernelOp(IRDLOperation):
    """`visa.kernel @name(%x: !visa.gm<...>, ...) sources 2 taps (tensor<...>) { ... }`: one kernel.

    Its meaning is its body in program order. `num_sources` is how many graph operations it came from; `tap_types`
    are the logical tensors, in row-major order, that its instructions' taps write to.
    """

    name = "visa.kernel"
    sym_name = prop_def(StringAttr)
    num_sources = prop_def(IntegerAttr.constr(type=i64))
    tap_types = prop_def(ArrayAttr[TensorType])
    body = region_def("single_block")
    traits = traits_def(NoTerminator(), IsolatedFromAbove(), SymbolOpInterface())

    def __init__(self, name: str, body: Region, num_sources: int, tap_types: Sequence[Attribute] = ()):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "num_sources": IntegerAttr(num_sources, i64),
                "tap_types": ArrayAttr(tap_types),
            },
            regions=[body],
        )

    def verify_(self) -> None:
        for arg in self.body.block.args:
            if not isinstance(arg.type, GlobalType):
                raise VerifyException(f"kernel: parameter of type {arg.type} is not a tensor in global memory")
        if any(isinstance(op, ForallOp) for op in self.walk()):
            _verify_shared(self.body.block)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        printer.print_string("(")
        printer.enter_scope()
        printer.print_list(self.body.block.args, printer.print_block_argument)
        printer.print_string(f") sources {self.num_sources.value.data} taps (")
        printer.print_list(self.tap_types, printer.print_attribute)
        printer.print_string(") ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)
        printer.exit_scope()
        printer.print_op_attributes(self.attributes, print_keyword=True)

    @classmethod
    def parse(cls, parser: Parser) -> KernelOp:
        name = parser.parse_symbol_name()
        args = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: _located_argument(parser))
        parser.parse_keyword("sources")
        sources = parser.parse_integer()
        parser.parse_keyword("taps")
        taps = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_type)
        body = parser.parse_region(args)
        attributes = parser.parse_optional_attr_dict_with_keyword()
        op = cls(name.data, body, sources, taps)
        if attributes is not None:
            op.attributes |= attributes.data
        return op


def _verify_shared(block: Block) -> None:
    """What stands around foralls is done by every core alike, without memories of its own."""
    for op in block.ops:
        if isinstance(op, scf.ForOp):
            _verify_shared(op.body.block)
        elif not isinstance(op, ForallOp | AllocOp | EventOp) and (op.regions or op.name.startswith("visa.")):
            raise VerifyException(f"kernel: {op.name} stands beside a forall, where only loops and scalars may")


def _located_argument(parser: Parser) -> Parser.Argument:
    argument = parser.parse_argument()
    # Written with every argument when locations are; it says nothing, since nodes are the instructions' locations.
    parser.parse_optional_location()
    return argument


@irdl_op_definition
class ForallOp(IRDLOperation):
    """`visa.forall (%h, %n) in (56, 2) { ... }`: a parallel loop nest that is divided among the cores.

    It may stand in loops and beside others: all its iterations are over, on all cores, before what follows begins.
    """

    name = "visa.forall"
    sizes = prop_def(DenseArrayBase.constr(i64))
    body = region_def("single_block")
    traits = traits_def(NoTerminator())

    def __init__(self, sizes: Sequence[int], body: Region):
        super().__init__(properties={"sizes": DenseArrayBase.from_list(i64, list(sizes))}, regions=[body])

    def verify_(self) -> None:
        parent = self.parent_op()
        while isinstance(parent, scf.ForOp):
            parent = parent.parent_op()
        if parent is not None and not isinstance(parent, KernelOp):
            raise VerifyException("forall: stands only in a kernel, in loops at most")
        if len(self.body.block.args) != len(self.sizes.get_values()):
            raise VerifyException("forall: needs one variable for each size")
        if any(not isinstance(arg.type, IndexType) for arg in self.body.block.args):
            raise VerifyException("forall: variables have type index")
        if any(size < 0 for size in self.sizes.get_values()):
            raise VerifyException("forall: sizes must not be negative")

    def print(self, printer: Printer) -> None:
        printer.print_string(" (")
        printer.enter_scope()
        printer.print_list(self.body.block.args, printer.print_ssa_value)
        printer.print_string(f") in ({', '.join(map(str, self.sizes.get_values()))}) ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)
        printer.exit_scope()
        printer.print_op_attributes(self.attributes, print_keyword=True)

    @classmethod
    def parse(cls, parser: Parser) -> ForallOp:
        names = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, lambda: parser.parse_argument(expect_type=False)
        )
        parser.parse_keyword("in")
        sizes = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_integer)
        body = parser.parse_region([name.resolve(IndexType()) for name in names])
        attributes = parser.parse_optional_attr_dict_with_keyword()
        op = cls(sizes, body)
        if attributes is not None:
            op.attributes |= attributes.data
        return op


@irdl_op_definition
class AllocOp(IRDLOperation):
    """`visa.alloc : !visa.buffer<...>`: a tile buffer, live in the block it stands in; `address` once it has one."""

    name = "visa.alloc"
    address = opt_prop_def(IntegerAttr.constr(type=i64))
    buffer = result_def(BufferType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict `:` type($buffer)"

    def __init__(self, type: BufferType, address: int | None = None):
        super().__init__(
            properties={"address": None if address is None else IntegerAttr(address, i64)}, result_types=[type]
        )

    @property
    def type(self) -> BufferType:
        """The buffer's type."""
        type = self.buffer.type
        assert isinstance(type, BufferType)
        return type


@irdl_op_definition
class EventOp(IRDLOperation):
    """`visa.event "IN" to "V" {slots = 2, tokens = 1}`: tokens between pipes; each slot begins with `tokens`."""

    name = "visa.event"
    source = prop_def(StringAttr)
    target = prop_def(StringAttr)
    slots = prop_def(IntegerAttr.constr(type=i64))
    tokens = prop_def(IntegerAttr.constr(type=i64))
    event = result_def(EventType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$source `to` $target attr-dict"

    def __init__(self, source: Pipe, target: Pipe, slots: int = 1, tokens: int = 0):
        super().__init__(
            properties={
                "source": StringAttr(source.value),
                "target": StringAttr(target.value),
                "slots": IntegerAttr(slots, i64),
                "tokens": IntegerAttr(tokens, i64),
            },
            result_types=[EventType()],
        )

    def verify_(self) -> None:
        for pipe in (self.source.data, self.target.data):
            if pipe not in {known.value for known in Pipe}:
                raise VerifyException(f"event: '{pipe}' is not a pipe ({', '.join(Pipe)})")
        if self.source.data == self.target.data:
            raise VerifyException(f"event: pipe {self.source.data} would wait for itself")
        if self.slots.value.data < 1 or self.tokens.value.data < 0:
            raise VerifyException("event: needs at least one slot and no negative number of tokens")


@irdl_op_definition
class SignalOp(IRDLOperation):
    """`visa.signal %event[%slot]`: the event's source pipe gives a token to the slot (modulo the number of slots)."""

    name = "visa.signal"
    event = operand_def(EventType)
    slot = operand_def(IndexType)
    assembly_format = "$event `[` $slot `]` attr-dict"

    def __init__(self, event: SSAValue, slot: SSAValue):
        super().__init__(operands=[event, slot])


@irdl_op_definition
class WaitOp(IRDLOperation):
    """`visa.wait %event[%slot]`: the event's target pipe takes a token of the slot, and waits while there is none."""

    name = "visa.wait"
    event = operand_def(EventType)
    slot = operand_def(IndexType)
    assembly_format = "$event `[` $slot `]` attr-dict"

    def __init__(self, event: SSAValue, slot: SSAValue):
        super().__init__(operands=[event, slot])


@irdl_op_definition
class LaunchOp(IRDLOperation):
    """`visa.launch @conv_0(%x, %w) : ...`: run a kernel once; its parameters are the operands, then the results.

    `sources[i]` are the ONNX nodes that the kernel's source i stands for here, `taps[i]` the ONNX value that its tap i
    observes ("" for none). `inplace` has pairs (result, operand) that may share memory if the operand dies here.
    `remarks` tell what fusion did and why, as those of `graph.kernel`.
    """

    name = "visa.launch"
    kernel = prop_def(SymbolRefAttr)
    sources = prop_def(ArrayAttr[ArrayAttr[StringAttr]])
    taps = prop_def(ArrayAttr[StringAttr])
    inplace = opt_prop_def(ArrayAttr[DenseArrayBase[IntegerType]])
    remarks = opt_prop_def(ArrayAttr[StringAttr])
    inputs = var_operand_def(AnyAttr())
    outputs = var_result_def(AnyAttr())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$kernel `(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        kernel: str,
        inputs: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        sources: Sequence[Sequence[str]],
        taps: Sequence[str],
        inplace: Sequence[tuple[int, int]] = (),
        remarks: ArrayAttr[StringAttr] | None = None,
    ):
        super().__init__(
            operands=[inputs],
            result_types=[result_types],
            properties={
                "kernel": SymbolRefAttr(kernel),
                "sources": ArrayAttr([ArrayAttr(map(StringAttr, names)) for names in sources]),
                "taps": ArrayAttr(map(StringAttr, taps)),
                "inplace": ArrayAttr([DenseArrayBase.from_list(i64, list(p)) for p in inplace]) if inplace else None,
                "remarks": remarks,
            },
        )

    @property
    def inplace_pairs(self) -> list[tuple[int, int]]:
        """The (result, operand) pairs that may share memory."""
        if self.inplace is None:
            return []
        return [(result, operand) for result, operand in (pair.get_values() for pair in self.inplace)]

    def verify_(self) -> None:
        for result, operand in self.inplace_pairs:
            if not (0 <= result < len(self.outputs) and 0 <= operand < len(self.inputs)):
                raise VerifyException(f"launch: inplace pair ({result}, {operand}) is out of range")


def memory_of(value: SSAValue) -> Memory:
    """The memory that a buffer or parameter lies in."""
    return value.type.memory if isinstance(value.type, BufferType) else Memory.GM


def single_block(args: Sequence[Attribute] = ()) -> Region:
    """A region of one empty block with arguments of the given types."""
    return Region(Block(arg_types=args))
