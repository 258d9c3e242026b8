"""Starting a program natively: from the cache without LLVM, the same results as made now, made anew where in doubt."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from growth import growth
from numpy.typing import NDArray

import vcc
from vcc.compiler.demo import model_path
from vcc.compiler.demo import test_images as demo_images
from vcc.runtime.binary.image import Image
from vcc.runtime.binary.reader import load as load_image
from vcc.runtime.binary.writer import program_digest
from vcc.runtime.diagnostics import VccError
from vcc.runtime.native import build, code, key, start
from vcc.runtime.native.elf import ObjectError
from vcc.runtime.native.llvm import host_cpu, object_codes
from vcc.runtime.native.mapping import can_map
from vcc.runtime.native.program import NativeProgram
from vcc.runtime.native.start import program_code

pytestmark = pytest.mark.skipif(not can_map(), reason="images are for x86-64 Linux")
IMAGES: NDArray[np.float32] = demo_images()[0][:4]
Build = Callable[..., Any]


@pytest.fixture(scope="module")
def vbin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "digits.vbin"
    vcc.compile(model_path(), shapes={"image": (4, 1, 8, 8)}).save(path)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("VCC_CACHE_DIR", str(tmp_path))
    return tmp_path / "native"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled since, by the names of CPUs."""
    made, real = list[str](), build.build

    def counted(image: Image, cpu: Any, verified: bool) -> Any:
        made.append(cpu.name)
        return real(image, cpu, verified)

    monkeypatch.setattr(build, "build", counted)
    return made


def run(path: Path) -> NDArray[Any]:
    return vcc.load(path).run([IMAGES], engine="native", threads=2)[0]


def test_results_are_the_same_from_the_cache(vbin: Path, folder: Path, builds: list[str]):
    first = run(vbin)
    assert np.array_equal(run(vbin), first) and len(builds) == 1
    assert [path.suffix for path in folder.iterdir()] == [".code"]


def test_a_compiled_program_and_its_file_share_machine_code(vbin: Path, builds: list[str]):
    program = vcc.compile(model_path(), shapes={"image": (4, 1, 8, 8)})
    first = program.run([IMAGES], threads=1)[0]
    assert np.array_equal(run(vbin), first) and len(builds) == 1
    image = load_image(vbin)
    assert program_digest(program.image) == image.digest
    assert program_digest(replace(image, machine="")) != image.digest


WARM = """
import sys
import numpy as np
import vcc
y = vcc.load(sys.argv[1]).run([np.load(sys.argv[2])], threads=2)[0]
np.save(sys.argv[3], y)
unwanted = [name for name in sys.modules if name.split(".")[0] in ("llvmlite", "onnx", "xdsl")]
print(sorted(unwanted + [name for name in sys.modules if "translate" in name or name.endswith(".verifier")]))
"""


def test_a_warm_start_imports_neither_llvmlite_nor_the_compiler(vbin: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", IMAGES)
    first = run(vbin)
    python = [sys.executable, "-W", "error::UserWarning"]
    command = [*python, "-c", WARM, str(vbin), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
    assert np.array_equal(np.load(tmp_path / "y.npy"), first)


def test_what_code_depends_on_is_in_the_key(vbin: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch):
    first = run(vbin)
    for part in ("_sources", "_llvm", "processor"):
        with monkeypatch.context() as other:
            other.setattr(key, part, lambda: b"other")
            if part == "_sources":
                other.setattr(key._sources, "cache_clear", lambda: None, raising=False)  # pyright: ignore[reportPrivateUsage]
            assert np.array_equal(run(vbin), first) and len(builds) == 2
            assert np.array_equal(run(vbin), first) and len(builds) == 2
        builds.pop()
    run(vbin)
    assert len(builds) == 1


def test_without_versions_or_with_the_cache_off_nothing_is_kept(
    vbin: Path, folder: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as other:
        other.setattr(key, "_llvm", lambda: b"")
        first = run(vbin)
    monkeypatch.setenv("VCC_CACHE_DISABLE", "1")
    assert np.array_equal(run(vbin), first) and len(builds) == 2 and not folder.exists()


def test_code_of_sources_that_changed_meanwhile_is_not_kept(vbin: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    answers = iter([b"before", b"after"])
    monkeypatch.setattr(start, "cache_key", lambda program, fresh=False: next(answers).ljust(32))  # pyright: ignore
    program_code(load_image(vbin))
    assert not folder.exists()


def test_code_made_by_older_sources_than_those_on_disk_is_neither_kept_nor_used(
    vbin: Path, folder: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch
):
    first = run(vbin)
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    newest = max(path.stat().st_mtime_ns for path in Path(key.__file__).parent.glob("*.py"))
    with monkeypatch.context() as other:
        other.setattr(key, "_BEGUN", newest - 1)  # an editor wrote the newest one just after the import
        key._sources.cache_clear()  # pyright: ignore[reportPrivateUsage]
        assert np.array_equal(run(vbin), first) and len(builds) == 2
    key._sources.cache_clear()  # pyright: ignore[reportPrivateUsage]
    assert {path: path.read_bytes() for path in folder.iterdir()} == kept
    assert np.array_equal(run(vbin), first) and len(builds) == 2


def test_damaged_files_are_made_anew(vbin: Path, folder: Path, builds: list[str]):
    first = run(vbin)
    (path,) = folder.iterdir()
    whole, generator = path.read_bytes(), random.Random(5)
    damaged = [b"", whole[:50], whole[:-1], whole + b"\0", whole[: len(whole) // 2]]
    for at in (0, 9, 20, 50, 78, *generator.choices(range(len(whole)), k=5)):
        damaged.append(whole[:at] + bytes([whole[at] ^ 1 << generator.randrange(8)]) + whole[at + 1 :])
    for number, data in enumerate(damaged):
        path.write_bytes(data)
        with pytest.warns(UserWarning, match="is damaged") as told:
            assert np.array_equal(run(vbin), first)
        assert sum("vcc" in str(each.message) for each in told) == 1  # others may be of what other tests left
        assert len(builds) == number + 2 and path.read_bytes() == whole


def test_facts_that_contradict_each_other_are_damage(vbin: Path):
    image = load_image(vbin)
    program_code(image)
    found = key.cache_key(program_digest(image))
    assert found is not None
    (path,) = start.user_cache().folder.iterdir()  # pyright: ignore[reportOptionalMemberAccess]
    facts, linked = code.read_code(path.read_bytes(), found)
    outside: Any = "0"
    for wrong in (
        replace(linked, code_bytes=linked.code_bytes + 1),
        replace(linked, code_bytes=len(linked.data) + 4096),
        replace(linked, symbols={}),
        replace(linked, symbols=dict.fromkeys(linked.symbols, linked.code_bytes)),
        replace(linked, symbols=dict.fromkeys(linked.symbols, outside)),
        replace(linked, table=(*linked.table, len(linked.data))),
    ):
        data = code.write_code(facts, wrong, found)
        with pytest.raises(code.DamagedCodeError, match=r"contradict|understood"):
            code.read_code(data, found)
    with pytest.raises(code.DamagedCodeError, match="another program"):
        code.read_code(path.read_bytes(), bytes(32))


def test_a_stranger_could_have_written_it(vbin: Path, folder: Path, builds: list[str]):
    first = run(vbin)
    folder.chmod(0o777)
    with pytest.warns(UserWarning, match="other users may write to"):
        assert np.array_equal(run(vbin), first)
    assert len(builds) == 2


def test_an_unwritable_cache_is_told(vbin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VCC_CACHE_DIR", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot keep machine code"), pytest.warns(UserWarning, match="does not use"):
        run(vbin)


def test_only_what_was_never_verified_is_verified(vbin: Path, monkeypatch: pytest.MonkeyPatch):
    verified = list[Image]()
    monkeypatch.setattr("vcc.runtime.isa.verifier.verify_image", verified.append)
    NativeProgram(load_image(vbin), 1)  # nobody says that it was verified
    vcc.load(vbin).run([IMAGES])
    assert len(verified) == 1
    vcc.load(vbin).run([IMAGES])
    assert len(verified) == 1


def test_llvm_loads_the_code_where_images_are_not_mapped(vbin: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    first = run(vbin)
    monkeypatch.setattr(start, "can_map", lambda: False)
    monkeypatch.setattr(build, "can_map", lambda: False)
    for path in folder.iterdir():
        path.unlink()
    assert np.array_equal(run(vbin), first) and not list(folder.iterdir())


def test_llvm_loads_the_code_that_cannot_be_linked(vbin: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(objects: list[bytes]) -> None:
        raise ObjectError("a relocation of kind 99")

    first = run(vbin)
    for path in folder.iterdir():
        path.unlink()
    monkeypatch.setattr(build, "link", refused)
    with pytest.warns(UserWarning, match="cannot keep machine code.*kind 99"):
        assert np.array_equal(run(vbin), first)


def test_code_lives_as_long_as_a_run(vbin: Path):
    results = list[NDArray[Any]]()

    def many(program: NativeProgram) -> None:
        for _ in range(200):
            results.append(program.run([IMAGES])[0])

    thread = threading.Thread(target=many, args=(NativeProgram(load_image(vbin), 2),))
    thread.start()
    for _ in range(3):
        gc.collect()
    thread.join()
    assert len(results) == 200 and all(np.array_equal(results[0], other) for other in results)


def test_memory_does_not_grow_with_programs(vbin: Path):
    def regions() -> int:
        gc.collect()
        return sum(" r-xp 00000000 00:00 0" in line for line in Path("/proc/self/maps").read_text().splitlines())

    image = load_image(vbin)
    NativeProgram(image, 1).run([IMAGES])
    before = regions()
    for _ in range(50):
        NativeProgram(image, 1).run([IMAGES])
    assert regions() <= before + 2


def test_memory_does_not_grow_with_compilations():
    """llvmlite keeps what some of its objects use, so they must be few."""
    text = "define i64 @f(i64 %x) {\n  %y = add i64 %x, 1\n  ret i64 %y\n}"

    allowed = 2000 << 10
    assert growth(lambda: object_codes([text] * 50, host_cpu()), 1, 8, allowed) <= allowed


LOADED = """
import sys
from vcc.runtime.native import build, cpuid
print(*sorted({name.split(".")[2] for name in sys.modules if name.startswith("vcc.runtime.")}))
"""


def test_the_key_covers_all_that_makes_code():
    """`diagnostics` are exceptions alone."""
    command = [sys.executable, "-c", LOADED]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {*key.PACKAGES, "diagnostics"}


def test_an_error_while_translating_is_told(vbin: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    from vcc.runtime.native.emit import unsupported

    def fails(*_: object) -> None:
        raise unsupported("such an instruction")

    monkeypatch.setattr(build, "Translator", fails)
    with pytest.raises(VccError, match="does not have such an instruction"):
        vcc.load(vbin).run([IMAGES], engine="native")
    assert not folder.exists()
