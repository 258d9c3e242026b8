"""What a program does to its caller's arrays, in several threads, as a copy and in other hands."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conformance import make_model, node, random
from numpy.typing import NDArray

import vcc
from vcc.compiler import demo
from vcc.compiler.demo import model_path
from vcc.runtime.diagnostics import VccError
from vcc.runtime.session import ENGINES, Program, loads

Array = NDArray[Any]


@pytest.fixture(scope="module")
def digits() -> Program:
    return vcc.compile(model_path(), shapes={"image": (4, 1, 8, 8)})


def images(count: int = 4) -> Array:
    return np.ascontiguousarray(demo.test_images()[0][:count])


def views() -> Program:
    """Outputs that are an input, a view of one, a constant, one tensor twice, and a sum that is also used."""
    nodes = [
        node("Identity", "x", "same"), node("Reshape", ["x", "shape"], "flat"), node("Identity", "w", "weights"),
        node("Add", ["x", "w"], "sum"), node("Identity", "sum", "again"), node("Relu", "sum", "positive"),
    ]  # fmt: skip
    model = make_model(nodes, {"x": random(6, 8)}, {"w": random(6, 8), "shape": np.array([48])},
                       ["same", "flat", "weights", "sum", "again", "positive"])  # fmt: skip
    return vcc.compile(model)


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_are_not_modified(digits: Program, engine: str):
    x = images()
    before = x.tobytes()
    x.flags.writeable = False
    digits.run({"image": x}, engine=engine)
    assert x.tobytes() == before


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_are_nobody_elses_memory(engine: str):
    program, x = views(), random(6, 8)
    first = program.run([x], engine=engine)
    copies = [array.copy() for array in first]
    second = program.run([x + 1], engine=engine)
    for array, kept in zip(first, copies, strict=True):
        np.testing.assert_array_equal(array, kept)  # a later run does not touch them
    held = [x, *(constant.data for constant in program.image.constants)]
    for number, array in enumerate([*first, *second]):
        assert array.flags.writeable
        array.fill(7)  # nor does writing to them touch anything of the program's
        assert not any(np.shares_memory(array, other) for other in held)
        assert not any(np.shares_memory(array, other) for other in [*first, *second][:number])
    for array, kept in zip(program.run([x], engine=engine), copies, strict=True):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_into_the_callers_arrays(digits: Program, engine: str):
    want = digits.run([images()], engine=engine)[0]
    out = np.zeros((4, 10), np.float32)
    for _ in range(2):
        (result,) = digits.run([images()], engine=engine, out=[out])
        assert result is out
        np.testing.assert_array_equal(out, want)


def unaligned(shape: tuple[int, ...]) -> Array:
    """An f32 array that starts at an odd address."""
    size = int(np.prod(shape))
    return np.zeros(4 * size + 1, np.uint8)[1:].view(np.float32).reshape(shape)


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_may_lie_anyhow(digits: Program, engine: str):
    want = digits.run([images()], engine=engine)[0]
    odd, strided = unaligned((4, 1, 8, 8)), np.zeros((8, 1, 8, 16), np.float32)[::2, :, :, ::-2]
    for x in (odd, strided):
        x[...] = images()
        np.testing.assert_array_equal(digits.run([x], engine=engine)[0], want)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [np.zeros((4, 11), np.float32)], "f32\\[4,10\\], but the array is f32\\[4,11\\]"),
        (lambda: [np.zeros((4, 10))], "but the array is f64"),
        (lambda: [np.zeros((4, 20), np.float32)[:, ::2]], "not contiguous"),
        (lambda: [unaligned((4, 10))], "not contiguous, aligned"),
        (lambda: [np.broadcast_to(np.float32(0), (4, 10))], "not contiguous"),
        (lambda: [np.frombuffer(bytes(160), np.float32).reshape(4, 10)], "writeable"),
        (list, "but 0 arrays were given"),
    ],
)
def test_unsuitable_arrays_for_outputs(digits: Program, engine: str, make: Any, message: str):
    with pytest.raises(VccError, match=message) as failure:
        digits.run([images()], engine=engine, out=make())
    assert failure.value.diagnostics[0].code == "E0105"


@pytest.mark.parametrize("engine", ENGINES)
def test_arrays_for_outputs_may_meet_inputs_but_not_each_other(engine: str):
    program, x = views(), random(6, 8)
    want = program.run([x], engine=engine)
    shared = x.copy()
    out = [shared, *(np.empty_like(array) for array in want[1:])]
    for got, expected in zip(program.run([shared], engine=engine, out=out), want, strict=True):
        np.testing.assert_array_equal(got, expected)
    out[4] = out[3]
    with pytest.raises(VccError, match="outputs 'sum' and 'again' share memory"):
        program.run([x], engine=engine, out=out)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_program_in_several_threads(digits: Program, engine: str):
    fresh = loads(pickle.loads(pickle.dumps(digits)).__reduce__()[1][0])  # nothing is made yet
    data = demo.test_images()[0]
    want = [digits.run([data[i : i + 4]], engine=engine)[0] for i in range(8)]

    def work(number: int) -> bool:
        i = number % 8
        return all(
            bool((fresh.run([data[i : i + 4]], engine=engine, threads=t)[0] == want[i]).all())
            for t in ((1, 2) if engine == "native" else (None,))
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(64)))


def test_several_sessions_in_threads():
    data = demo.test_images()[0]

    def work(number: int) -> Array:
        session = vcc.InferenceSession(model_path())
        return session.run(None, {"image": data[number : number + 2]})[0]

    want = vcc.compile(model_path(), shapes={"image": (2, 1, 8, 8)})
    with ThreadPoolExecutor(3) as pool:
        for number, result in enumerate(pool.map(work, range(6))):
            np.testing.assert_array_equal(result, want.run([data[number : number + 2]])[0])


def test_a_session_compiles_once_for_several_threads(monkeypatch: pytest.MonkeyPatch):
    session, compiled = vcc.InferenceSession(model_path()), list[object]()
    compile = session._compile  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(session, "_compile", lambda shapes: compiled.append(shapes) or compile(shapes))  # type: ignore[no-any-return]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: session.run(None, {"image": images()})[0], range(8)))
    assert len(compiled) == 1 and all((result == results[0]).all() for result in results)


def test_a_sessions_outputs_into_the_callers_arrays():
    session = vcc.InferenceSession(model_path())
    (name,) = [each.name for each in session.get_outputs()]
    (want,) = session.run(None, {"image": images()})
    out = np.zeros((4, 10), np.float32)
    (result,) = session.run([name], {"image": images()}, out=[out])
    assert result is out
    np.testing.assert_array_equal(out, want)
    for names, arrays in (([name], []), ([name, name], [out, out]), (None, [np.zeros((4, 10))])):
        with pytest.raises(VccError) as failure:
            session.run(names, {"image": images()}, out=arrays)
        assert failure.value.diagnostics[0].code == "E0105"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_and_pickles(digits: Program, duplicate: Any):
    want = digits.run([images()])[0]
    np.testing.assert_array_equal(duplicate(digits).run([images()])[0], want)
    session = vcc.InferenceSession(model_path())
    session.run(None, {"image": images()})
    np.testing.assert_array_equal(duplicate(session).run(None, {"image": images()})[0], want)


def test_damaged_bytes_are_refused(digits: Program):
    (data,) = digits.__reduce__()[1]
    with pytest.raises(VccError) as failure:
        loads(data[:-8])
    assert failure.value.diagnostics[0].code == "E0303"
