"""`vcc objdump --kernel`: one kernel's assembly, which is a part of the whole program's."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcc.compiler import demo
from vcc.compiler.compilation import Compilation
from vcc.compiler.options import Options
from vcc.runtime.binary.image import Image
from vcc.runtime.binary.writer import save
from vcc.tools.vcc import main


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.chdir(tmp_path)
    options = Options(target="vn1", shapes={"image": [1, 1, 8, 8]})
    compiled = Compilation.from_model(demo.model_path(), options).encode()
    save(compiled, Path("demo.vbin"))
    return compiled


def test_one_kernel_is_a_part_of_the_program(image: Image, capsys: pytest.CaptureFixture[str]):
    assert main(["objdump", "--source", "demo.vbin"]) == 0
    whole = capsys.readouterr().out
    for kernel in image.kernels:
        assert main(["objdump", "--source", "demo.vbin", "--kernel", kernel.name]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"kernel {kernel.name}(") and text.count("\nkernel ") == 0 and text in whole


def test_a_kernel_that_is_not_there_is_an_error(image: Image, capsys: pytest.CaptureFixture[str]):
    assert main(["objdump", "demo.vbin", "--kernel", image.kernels[0].name + "9"]) == 2
    assert f"did you mean '{image.kernels[0].name}'?" in capsys.readouterr().err
