"""Names of a model as the commands print them: long ones, wide ones, and some that would move the cursor."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from onnx import TensorProto, helper, save_model

from vcc.tools.output import NAME_WIDTH, name_text, show_names_in_full, table
from vcc.tools.vcc import main

LONG = "/encoder" * 40 + "/Relu"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    show_names_in_full(False)


def save(name: str) -> str:
    node = helper.make_node("Relu", ["x"], [name], name=name)
    x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, [2, 3]) for each in ("x", name))
    graph = helper.make_graph([node], "names", [x], [y])
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    return "m.onnx"


def test_the_end_of_a_long_name_stays():
    text = name_text(LONG)
    assert len(text) == NAME_WIDTH and text.startswith("/encoder") and text.endswith("/Relu") and "..." in text
    assert name_text("short") == "short"
    show_names_in_full(True)
    assert name_text(LONG) == LONG


@pytest.mark.parametrize("words", [["inspect"], ["run", "--random"], ["diff", "--all"], ["check"]])
def test_tables_shorten_names(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main([words[0], save(LONG), *words[1:]]) == 0
    out = capsys.readouterr().out
    assert LONG not in out and max(map(len, out.splitlines())) < 200
    assert main([words[0], "m.onnx", *words[1:], "--wide"]) == 0
    if words[0] != "check":
        assert LONG in capsys.readouterr().out


def test_json_has_names_in_full(capsys: pytest.CaptureFixture[str]):
    assert main(["inspect", save(LONG), "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"][0]["name"] == LONG


def test_names_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]):
    name = "a\x1b[31m\nb"
    for words in (["inspect"], ["run", "--random"], ["diff"], ["run", "--input", f"{name}=none.npy"]):
        main([words[0], save(name), *words[1:]])
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err


def test_wide_characters_are_counted(capsys: pytest.CaptureFixture[str]):
    table(("name", "type"), [("出力", "f32"), ("x", "f16")], indent="")
    assert capsys.readouterr().out.splitlines() == ["name  type", "出力  f32", "x     f16"]


def test_weights_that_are_nodes_count_as_parameters(capsys: pytest.CaptureFixture[str]):
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 3], [0.5] * 6)
    nodes = [helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("Add", ["x", "w"], ["y"])]
    x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, [2, 3]) for each in ("x", "y"))
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    save_model(model, "c.onnx")
    assert main(["inspect", "c.onnx"]) == 0
    assert "2 nodes, 6 parameters" in capsys.readouterr().out
