"""What `vcc explain` says about each code of `vcc.runtime.diagnostics.CODES`."""

from __future__ import annotations

EXPLANATIONS: dict[str, str] = {
    "E0101": """The file is there but no ONNX model can be read from it: it is empty, cut short, or of another
format. Fetch it again and compare its size; a file of a few hundred bytes is often a Git LFS pointer or a web
page.""",
    "E0102": """The file is an ONNX model, but it breaks a rule of the standard: a value is used and never made, a
name is defined twice, an attribute has the wrong type, a tensor's bytes do not fit its shape, the opset is not
known. Run onnx.checker.check_model on it, and export the model again with a current exporter.""",
    "E0103": """The model keeps weights in files beside it, and one of them is missing, too short, or outside the
model's folder. Copy all files of the model together; the message names the one that is missed.""",
    "E0104": """An input has a dimension that is a name ("batch") or open. Kernels are made for sizes, so give
one: --shape NAME:1x3x224x224, once for each such input. `vcc run` takes the sizes from the given --input files,
and vcc.InferenceSession from what it is fed.""",
    "E0105": """What was given for an input (or wanted of an output) is not what the model declares: another name,
rank, size or dtype. The message has both. `vcc inspect MODEL` lists the inputs.""",
    "E0106": """Two parts of the model contradict each other: the shape that follows from an operator's inputs is
not the one the model declares, or an operator cannot take those shapes at all. If sizes were given by --shape,
look there first. The node that is named is the first where the contradiction shows.""",
    "E0107": """The compiler's intermediate representation broke one of its own rules, or IR that was given with
--from or to vcc-opt is not valid. For IR you wrote, the message says which rule. For IR that vcc made, this is
a bug: the message names the pass; please report it with `--save-temps`.""",
    "E0120": """The operator is not in any ONNX domain that the installed onnx package knows: a custom operator of
some framework, or a newer one. Export the model without it, or define it as a model-local function.""",
    "E0121": """The operator is known, but this form of it (attributes, rank, dtype) can run neither on the
machine nor on the host. The message says which part. Often another exporter option or a lower opset avoids it.""",
    "E0122": """--host-ops=error was given, and these operators have no kernel: they would run on the host, which
is slow. Leave the option out, or change the model so that it does without them.""",
    "E0140": """A kernel's smallest tile is larger than an on-chip memory of the target. The message says which
node, which memory and how many bytes. Compile for a machine with more memory, or reduce the sizes of that node.""",
    "E0141": """A tensor, or all of the arena, has more than 2**48 bytes, which no .vbin can describe and no machine
has. Mostly --shape gave a size that was not meant; the message names the first node that makes such a tensor.""",
    "E0142": """The system gave no more memory, while compiling or before running. `vcc inspect FILE.vbin` tells how big
the arena and the constants are, and a smaller --shape makes the arena smaller.""",
    "E0201": """--target names no machine that vcc comes with, or the .toml file that describes one has a missing,
unknown or wrong key, which the message names. `vcc targets` lists the targets, and `vcc targets NAME` prints a
description that can be copied and changed.""",
    "E0202": """An option, a verb or its value is not known. `vcc --help` lists the verbs and `vcc VERB --help`
the options of one.""",
    "E0203": """The output cannot be written: the folder is not there, is not yours, or the disk is full. Files
are written under another name and renamed when they are whole, so a failed command leaves nothing behind.""",
    "E0204": """An input file is missing, may not be read, or is not of the format that its place demands.""",
    "E0205": """A file of rewrite rules (.rules) does not follow their language, or a rule in it is not sound. The
message has the file, the line and what was expected there.""",
    "E0301": """The assembler does not understand the text. The message has the file, the line and what was
expected there; docs/isa.md has the language.""",
    "E0302": """A kernel breaks a rule of the instruction set: an operand lies outside its buffer, in a memory
that its pipe does not reach, or has a dtype the instruction does not take. Programs that vcc compiled never do;
for assembly, the message names the instruction.""",
    "E0303": """The file is not a .vbin, is of another version, or is damaged: a size, an index or a checksum in
it does not fit the rest. Compile the model again.""",
    "E0401": """The running program did what it must not: a size exceeded its maximum, an index left its limit, an
integer was divided by zero. The message has the kernel, the instruction and the ONNX nodes. An index that the
model computes from its input is the usual cause.""",
    "E0402": """No pipe of the core can go on: each waits for an event that another would signal. The message
shows where each pipe stands. Compiled programs are proved free of this; in assembly, a wait lacks its signal,
or the two count slots differently.""",
    "E0501": """A tensor differs from the reference by more than the tolerance. `vcc diff` names the first such
tensor in the model's order: what comes before it is right, so look at the node that made it. `vcc bench` compares
whole models' outputs: a fast engine that is wrong is no fast engine.""",
    "E0601": """`vcc bench --against` names an engine whose Python package is not installed. onnxruntime comes with
`pip install onnxruntime`; OpenVINO and IREE with `pip install 'vcc-npu[peers]'`.""",
    "E0602": """`vcc bench` runs other engines as they come: this one could not import, compile or load the model. The
message has its own reason. The comparison goes on without it.""",
}
