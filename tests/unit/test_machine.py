"""Machine descriptions: the bundled ones, what is wrong with a bad one, and which one the host is."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcc.compiler.targets import host_target, load_target, target_names
from vcc.runtime.diagnostics import VccError
from vcc.runtime.isa.kernel import Memory, Pipe
from vcc.runtime.machine.model import parse_machine

VN1 = load_target("vn1")


def test_every_bundled_description_is_valid_and_named_after_its_file():
    assert {"vn1", "host-avx512", "host-avx2", "host-generic"} <= set(target_names())
    for name in target_names():
        machine = load_target(name)
        assert machine.name == name
        assert parse_machine(machine.text, name) == machine


def test_vn1_is_what_the_documents_say():
    assert (VN1.cores, VN1.clock_ghz, VN1.l2_bytes) == (24, 1.8, 96 << 20)
    assert [VN1.memories[m] >> 10 for m in (Memory.L1, Memory.L0A, Memory.L0B, Memory.L0C, Memory.UB)] == [
        512, 64, 64, 128, 192,
    ]  # fmt: skip
    assert VN1.gm_bytes_per_cycle * VN1.clock_ghz == pytest.approx(1600, rel=1e-3)
    assert VN1.lanes_of("f16") == 128
    assert VN1.lanes_of("i32") == 64, "left out, so it fills the bytes of f32"


def test_hosts_have_no_banks():
    assert VN1.banks.keys() == {Memory.UB}
    assert all(not load_target(name).banks for name in target_names() if name.startswith("host-"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cores = 24 ", "", "key 'cores' is missing"),
        ("cores = 24 ", "cores = 24.5 ", "key 'cores' must be an integer, not 24.5"),
        ("cores = 24 ", "cores = true ", "key 'cores' must be an integer"),
        ("cores = 24 ", "cores = 0 ", "key 'cores' must be 1..65536, not 0"),
        ("cores = 24 ", "cores = 24\ncoers = 2 ", "key 'coers' is unknown"),
        ("l0a = 65_536", "", "key 'memories.l0a' is missing"),
        ("l0a = 65_536", "l0a = -1", "key 'memories.l0a' must be 0..1073741824, not -1"),
        ("MOV = 512.0", "MOV = -512.0", "key 'pipe_bytes_per_cycle.MOV' must be positive"),
        ("MOV = 512.0", "MOV = inf", "key 'pipe_bytes_per_cycle.MOV' must be positive"),
        ("MOV = 512.0", 'MOV = "fast"', "key 'pipe_bytes_per_cycle.MOV' must be a number, not 'fast'"),
        ("MOV = 512.0", "MVO = 1\nMOV = 1", "key 'pipe_bytes_per_cycle.MVO' is unknown (known: IN, MOV, OUT)"),
        ("i8 = 8192", "i4 = 8192", "key 'macs.i4' is unknown"),
        ("f32 = 64", "", "key 'lanes.f32' is missing"),
        ("[16, 16, 16]", "[16, 16]", "key 'fractal' must be a list of three integers"),
        ("[16, 16, 16]", '[16, "a", 16]', "key 'fractal[1]' must be an integer"),
        ('name = "vn1"', 'name = ""', "key 'name' must be a string that is not empty"),
        ('name = "vn1"', "name = ", "not TOML"),
        ("count = 8 ", "", "key 'banks.ub' must have count, bytes and conflict"),
        ("count = 8 ", "count = 1 ", "key 'banks.ub.count' must be 2..65536, not 1"),
        ("[banks.ub] ", "[banks.gm] ", "key 'banks.gm' is unknown"),
        ("[banks.ub] ", "[banks]\nub = 3\n[x]", "key 'banks.ub' must have count"),
        ("[startup] ", "startup = 3\n[other]", "unknown"),
    ],
)
def test_a_bad_description_names_the_key(old: str, new: str, message: str):
    assert old in VN1.text
    with pytest.raises(VccError) as caught:
        parse_machine(VN1.text.replace(old, new, 1), "my.toml")
    if old == "[startup] ":
        assert caught.value.diagnostics[0].code == "E0201"
    else:
        assert f"E0201]: my.toml: {'' if 'TOML' in message else 'machine description: '}{message}" in str(caught.value)


def test_an_unknown_target_is_answered_with_a_near_one():
    with pytest.raises(VccError, match=r"E0201.*unknown target 'vn2'\n  help: did you mean 'vn1'\?"):
        load_target("vn2")
    with pytest.raises(VccError, match="known targets: host, host-avx2"):
        load_target("zzzzzz")


def test_a_target_may_be_a_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(VN1.text.replace('"vn1"', '"mine"'))
    assert load_target(str(path)).name == load_target(path).name == "mine"
    with pytest.raises(VccError, match=r"E0204.*absent.toml"):
        load_target(str(tmp_path / "absent.toml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(VccError, match=r"E0201.*not UTF-8"):
        load_target(path)


def test_the_host_is_the_widest_target_the_cpu_can_run():
    avx512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"})
    assert host_target(avx512) == "host-avx512"
    assert host_target(avx512 - {"avx512vl"}) == "host-avx2"
    assert host_target(frozenset({"sse4_2", "avx2"})) == "host-generic"
    assert load_target("host").name == host_target()
    assert load_target("host").pipe_bytes_per_cycle[Pipe.IN] > 0
