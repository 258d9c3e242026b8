"""Images whose host program breaks one rule each; and hostile files, which the verifier stands."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from binary_images import F32, example_image, section_range, set_word
from hypothesis import given, settings
from isa_strategies import EXAMPLE, kernels

from vcc.compiler.targets import load_target
from vcc.runtime.binary.format import Section
from vcc.runtime.binary.image import Image, LiveRange
from vcc.runtime.binary.reader import read_image
from vcc.runtime.binary.writer import write_image
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostCall, HostTensor, Launch, Ref, Space
from vcc.runtime.isa.kernel import Kernel, TensorParam
from vcc.runtime.isa.verifier import verify_image, verify_kernel

VN1 = load_target("vn1")
IMAGE = replace(example_image(), machine=VN1.text)
LAUNCH, CALL = IMAGE.host.steps
assert isinstance(LAUNCH, Launch)
assert isinstance(CALL, HostCall)
IN, OUT, CONST, ARENA = Space.INPUT, Space.OUTPUT, Space.CONST, Space.ARENA


def problems(image: Image) -> list[str]:
    with pytest.raises(VccError) as caught:
        verify_image(image)
    return [problem.message for problem in caught.value.diagnostics]


def with_steps(*steps: Any) -> Image:
    return replace(IMAGE, host=replace(IMAGE.host, steps=steps))


def with_launch(**changes: Any) -> Image:
    return with_steps(replace(LAUNCH, **changes), CALL)


def test_a_sound_image():
    verify_image(IMAGE)
    verify_image(replace(IMAGE, machine=""))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (with_launch(args=LAUNCH.args[:3]), "step 0: launch of conv: 3 arguments for 4 parameters"),
        (with_launch(kernel="gone"), "there is no kernel gone"),
        (with_launch(args=(*LAUNCH.args[:3], Ref(IN))), "parameter C1 takes an integer, not a place"),
        (with_launch(args=(1, *LAUNCH.args[1:])), "parameter x takes a place, not an integer"),
        (with_launch(args=(*LAUNCH.args[:3], 65)), "parameter C1 must be 1..64, not 65"),
        (
            with_launch(args=(*LAUNCH.args[:3], 2)),
            "parameter x needs 401408 bytes at offset 0 of input 0, which has 200704",
        ),
        (with_launch(args=(Ref(IN, 3), *LAUNCH.args[1:])), "parameter x: there is no input 3"),
        (with_launch(args=(Ref(IN, 0, 4), *LAUNCH.args[1:])), "parameter x needs 200704 bytes at offset 4 of input 0"),
        (with_launch(args=(Ref(ARENA, 0, 2), *LAUNCH.args[1:])), "offset 2 is no multiple of the 4 bytes of f32"),
        (with_launch(args=(Ref(IN), Ref(CONST, 1), *LAUNCH.args[2:])), "parameter w is of f32, and const 1 of bf16"),
        (with_launch(args=(Ref(IN), Ref(CONST), Ref(IN), 1)), "parameter y is written, and input 0 may not be"),
        (with_launch(sources=()), "0 sources and 0 taps; the kernel has 1 and 0"),
        (with_launch(taps=(0,)), "1 sources and 1 taps"),
        (with_launch(sources=((7,),)), "there is no node 7 (of 2)"),
        (with_steps(LAUNCH), "output 'top' is never written"),
        (with_steps(LAUNCH, replace(CALL, values=(9,))), "step 1: host call of TopK: there is no value 9 (of 2)"),
        (with_steps(LAUNCH, replace(CALL, values=(-1,) * 3)), "3 observable values for 2 results"),
        (
            with_steps(LAUNCH, replace(CALL, inputs=(HostTensor(Ref(ARENA, 0, 4064), F32, (9,)),))),
            "operand 0 needs 36 bytes at offset 4064 of arena 0, which has 4096",
        ),
        (
            with_steps(LAUNCH, CALL, replace(CALL, outputs=(HostTensor(Ref(CONST), F32, (1,)),))),
            "result 0 is written, and const 0 may not be",
        ),
        (replace(IMAGE, kernels=(EXAMPLE, EXAMPLE)), "there are 2 kernels named conv"),
        (replace(IMAGE, plan=(LiveRange("t", 4000, 100, 0, 1),)), "t does not lie within the arena and the steps"),
        (replace(IMAGE, plan=(LiveRange("t", 0, 100, 1, 0),)), "t does not lie within the arena and the steps"),
        (replace(IMAGE, remarks=((5, "x"),)), "there is no node 5 (of 2)"),
    ],
)
def test_each_rule_has_its_message(image: Image, message: str):
    found = problems(image)
    assert any(message in problem for problem in found), found


def test_kernels_are_checked_with_the_machine_of_the_image():
    small = VN1.text.replace("l1 = 524_288", "l1 = 64")
    (problem,) = problems(replace(IMAGE, machine=small))
    assert problem == "kernel 'conv': buffer xt ends at byte 22272 of l1, which has 64 on vn1"
    with pytest.raises(VccError, match=r"E0201.*machine section"):
        verify_image(replace(IMAGE, machine="cores = 1"))


def test_global_accesses_are_checked_with_the_launch_arguments():
    x = EXAMPLE.params[0]
    assert isinstance(x, TensorParam)
    params = (replace(x, extent=x.extent - 16), *EXAMPLE.params[1:])
    image = replace(IMAGE, kernels=(replace(EXAMPLE, params=params),))
    found = problems(image)
    assert "load: operand src reaches element 50175 of x, which has 50160 (at %C1 = 1, %h = " in found[0]


def test_nodes_are_named_by_the_launches():
    kernel = replace(EXAMPLE, buffers=(replace(EXAMPLE.buffers[0], shape=(2, 58, 16)), *EXAMPLE.buffers[1:]))
    with pytest.raises(VccError) as caught:
        verify_image(replace(IMAGE, kernels=(kernel,)))
    assert [problem.node for problem in caught.value.diagnostics] == ["/conv1/Conv"]


@settings(max_examples=40, deadline=None)
@given(kernels())
def test_random_kernels_give_diagnostics_and_nothing_else(kernel: Kernel):
    for problem in verify_kernel(kernel, VN1):
        assert problem.code == "E0302"
        assert problem.message.startswith("kernel 'kernel_0': ")


def test_hostile_files_give_diagnostics_and_nothing_else():
    data, generator = write_image(IMAGE), random.Random(3)
    sections = [section_range(data, section) for section in (Section.KERNELS, Section.HOST, Section.CONSTANT_TABLE)]
    for _ in range(600):
        start, end = generator.choice(sections)
        at = start + (generator.randrange(start, end) - start) // 4 * 4
        word = generator.choice((0, 1, 2, 3, 5, 64, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF))
        try:
            verify_image(read_image(set_word(data, at, word), "x.vbin"))
        except VccError as problem:
            assert {diagnostic.code for diagnostic in problem.diagnostics} <= {"E0302", "E0303"}


def test_values_of_another_dtype_are_refused():
    call = replace(CALL, outputs=(HostTensor(Ref(OUT, 1), BY_NAME["i32"], (1, 3)),), values=())
    assert "result 0 is of i32, and output 1 of i64" in problems(with_steps(LAUNCH, call))[0]
