"""What a user can get wrong: one diagnostic, the right exit status, no traceback, no file left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from broken_models import make_broken_files, small_model
from onnx import save_model

from vcc.tools.vcc import main

#: Command line, code, exit status, and a word the message must have.
CASES: list[tuple[str, str, int, str]] = [
    ("nowhere.onnx", "E0204", 2, "nowhere.onnx"),
    ("folder", "E0204", 2, "folder"),
    ("text.onnx", "E0101", 1, "text.onnx"),
    ("empty.onnx", "E0101", 1, "empty"),
    ("cut.onnx", "E0101", 1, "cut short"),
    ("external.onnx", "E0103", 1, "missing.bin"),
    ("open.onnx", "E0104", 2, "--shape x:1x3"),
    ("check open.onnx", "E0104", 2, "--shape x:1x3"),
    ("digits.onnx --shape picture:1x1x8x8", "E0105", 2, "image"),
    ("digits.onnx --shape image:1x8x8", "E0105", 2, "image"),
    ("digits.onnx --shape image:1x3x8x8", "E0105", 2, "image"),
    ("digits.onnx --shape image=1x3x8x8", "E0202", 2, "NAME:1x3x224x224"),
    ("digits.onnx --shape image:1x1x8x8 --shape image:1x1x8x8", "E0202", 2, "twice"),
    ("unknown_op.onnx", "E0120", 3, "Frobnicate"),
    ("custom_op.onnx", "E0120", 3, "Frobnicate"),
    ("check custom_op.onnx", "E0120", 3, "the_node"),
    ("open.onnx --shape x:99999999999999999999x3", "E0105", 2, "99999999999999999999x3"),
    ("wide.onnx --shape x:1000000000x1000000000", "E0141", 4, "f32[1000000000,1000000000]"),
    ("check wide.onnx --shape x:1000000000x1000000000", "E0141", 4, "node 'the_node'"),
    ("check small.onnx --target no_ub.toml", "E0140", 4, "bytes of ub, which has 0"),
    ("damaged.vbin", "E0202", 2, "vcc run damaged.vbin"),
    ("small.onnx --target vn9", "E0201", 2, "vn1"),
    ("small.onnx --target bad.toml", "E0201", 2, "cores"),
    ("small.onnx --target none.toml", "E0204", 2, "none.toml"),
    ("targets vn9", "E0201", 2, "vn9"),
    ("small.onnx -o no/such/folder/x.vbin", "E0203", 2, "no/such/folder"),
    ("small.onnx -o folder", "E0203", 2, "folder"),
    ("small.onnx -o small.onnx", "E0203", 2, "it is the input"),
    ("small.onnx --report no/r.json", "E0203", 2, "no/r.json"),
    ("small.onnx --emit import -o no/x.mlir", "E0203", 2, "no/x.mlir"),
    ("small.onnx --save-temps=small.onnx/x", "E0203", 2, "small.onnx"),
    ("run small.onnx --random --output-dir small.onnx/x", "E0203", 2, "small.onnx"),
    ("small.onnx --emit optimise", "E0202", 2, "graph"),
    ("small.onnx --from graph --emit import", "E0202", 2, "before"),
    ("bad.mlir", "E0202", 2, "--from"),
    ("bad.mlir --from graph", "E0107", 1, "line 2"),
    ("nowhere.mlir --from graph", "E0204", 2, "nowhere.mlir"),
    ("small.onnx --format=json -o -", "E0202", 2, "stdout"),
    ("run small.onnx --input x=nowhere.npy", "E0204", 2, "nowhere.npy"),
    ("run small.onnx --input x=bad.npy", "E0204", 2, "bad.npy is not a .npy file\n"),
    ("run small.onnx --input bad.npy", "E0202", 2, "NAME=FILE.npy"),
    ("run small.onnx --random=x", "E0202", 2, "number"),
    ("run small.onnx --input x=long.npy", "E0105", 2, "2x4"),
    ("run open.onnx --output-dir new/out", "E0104", 2, "--shape"),
    ("open.onnx --save-temps=new/temps", "E0104", 2, "--shape"),
    ("run nowhere.vbin", "E0204", 2, "nowhere.vbin"),
    ("run damaged.vbin", "E0303", 1, "damaged.vbin"),
    ("run damaged.vbin --random --shape x:2x3", "E0202", 2, "--shape is for models, but damaged.vbin"),
    ("bench damaged.vbin --no-winograd", "E0202", 2, "--no-winograd is for models"),
    ("diff small.onnx damaged.vbin --target vn1", "E0202", 2, "--target is for models"),
    ("run text.vbin", "E0303", 1, "text.vbin"),
    ("objdump damaged.vbin", "E0303", 1, "damaged.vbin"),
    ("objdump nowhere.vbin", "E0204", 2, "nowhere.vbin"),
    ("inspect damaged.vbin", "E0303", 1, "damaged.vbin"),
    ("inspect text.onnx", "E0101", 1, "text.onnx"),
    ("diff damaged.vbin", "E0202", 2, "ONNX file"),
    ("diff small.onnx damaged.vbin", "E0303", 1, "damaged.vbin"),
    ("as bad.vasm", "E0301", 1, "frobnicate"),
    ("as nowhere.vasm", "E0204", 2, "nowhere.vasm"),
    ("as damaged.vbin", "E0301", 1, "UTF-8"),
    ("as bad.vasm -o no/x.vbin", "E0203", 2, "no/x.vbin"),
    ("explain E9999", "E0202", 2, "E9999"),
    ("frobnicate", "E0202", 2, "verb"),
    ("rum", "E0202", 2, "vcc run"),
    ("small.onnx --frobnicate", "E0202", 2, "--frobnicate"),
    ("run", "E0202", 2, "FILE"),
    ("- --emit import", "E0202", 2, "-o"),
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_broken_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(("line", "code", "status", "word"), CASES, ids=[case[0] for case in CASES])
def test_one_diagnostic_and_nothing_else(
    files: Path, capsys: pytest.CaptureFixture[str], line: str, code: str, status: int, word: str
):
    before = contents(files)
    assert main(line.split()) == status
    out, err = capsys.readouterr()
    assert err.startswith(f"error[VCC-{code}]: "), err
    assert err.count("error[") == 1 and "Traceback" not in err
    assert word in err
    assert out == "" or "--format=json" in line
    assert contents(files) == before


def test_a_failure_is_json_too(files: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", "custom_op.onnx", "--format=json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1 and document["verb"] == "check" and document["exit"] == 3
    (diagnostic,) = document["diagnostics"]
    assert diagnostic["code"] == "E0120" and diagnostic["op"].endswith("Frobnicate")


def test_every_obstacle_is_reported(files: Path, capsys: pytest.CaptureFixture[str]):
    model = small_model("Frobnicate", "com.example", ("batch", 3))
    model.graph.node.add().CopyFrom(model.graph.node[0])
    model.graph.node[1].name, model.graph.node[1].op_type = "other", "Twiddle"
    model.graph.node[1].output[0] = "z"
    model.graph.output.add().CopyFrom(model.graph.output[0])
    model.graph.output[1].name = "z"
    save_model(model, "many.onnx")
    assert main(["check", "many.onnx"]) == 3
    err = capsys.readouterr().err
    assert "Frobnicate" in err and "Twiddle" in err
