#!/usr/bin/env python3
"""Export architectures that no wheel ships as ONNX: random weights, or SmolLM2's real ones.

    export_models.py NAME OUT.onnx [--past 16] [--tokens 1] [--dynamic] [--gguf FILE]

NAME: bert_base, llama_kv (4 layers, explicit KV cache), smollm2 (needs --gguf, the corpus file
smollm2-135m-gguf.gguf). Needs: pip install torch==2.13.0 transformers onnxscript onnx
(and gguf accelerate for smollm2). Inputs of decoders: input_ids, attention_mask,
position_ids, past.<layer>.k, past.<layer>.v; outputs: logits, present.<layer>.k/v.
"""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers


class DecoderStep(torch.nn.Module):
    """A causal language model with its KV cache as explicit inputs and outputs."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = transformers.DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        result = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        present = [tensor for layer in result.past_key_values.layers for tensor in (layer.keys, layer.values)]
        return (result.logits, *present)


class LastHidden(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *args):
        return self.model(*args)[0]


def decoder(model, past: int, tokens: int, dynamic: bool):
    config = model.config
    layers, heads = config.num_hidden_layers, config.num_key_value_heads
    head_dim = config.hidden_size // config.num_attention_heads
    cache = [torch.randn(1, heads, past, head_dim) * 0.1 for _ in range(2 * layers)]
    inputs = (
        torch.randint(0, 1000, (1, tokens)),
        torch.ones(1, past + tokens, dtype=torch.long),
        torch.arange(past, past + tokens)[None],
        *cache,
    )
    kv = [f"{i}.{part}" for i in range(layers) for part in "kv"]
    names = ["input_ids", "attention_mask", "position_ids", *(f"past.{n}" for n in kv)]
    outputs = ["logits", *(f"present.{n}" for n in kv)]
    any_size = torch.export.Dim.DYNAMIC
    shapes = ({1: any_size}, {1: any_size}, {1: any_size}, tuple({2: any_size} for _ in cache)) if dynamic else None
    return DecoderStep(model), inputs, names, outputs, shapes


def build(name: str, args):
    torch.manual_seed(0)
    if name == "bert_base":
        model = transformers.BertModel(transformers.BertConfig(attn_implementation="eager")).eval()
        inputs = (torch.randint(0, 100, (1, 64)), torch.ones(1, 64, dtype=torch.long))
        return LastHidden(model), inputs, ["input_ids", "attention_mask"], ["last_hidden_state"], None
    if name == "llama_kv":
        config = transformers.LlamaConfig(
            vocab_size=4096,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=4,
            num_attention_heads=9,
            num_key_value_heads=3,
            tie_word_embeddings=True,
        )
        config._attn_implementation = "eager"
        model = transformers.LlamaForCausalLM(config).eval()
    elif name == "smollm2":
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(args.gguf.parent), gguf_file=args.gguf.name, attn_implementation="eager", dtype=torch.float32
        ).eval()
    else:
        raise SystemExit(f"unknown model {name!r}")
    return decoder(model, args.past, args.tokens, args.dynamic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("out", type=Path)
    parser.add_argument("--past", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=1)
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--gguf", type=Path)
    args = parser.parse_args()
    model, inputs, names, outputs, shapes = build(args.name, args)
    with torch.no_grad():
        program = torch.onnx.export(
            model,
            inputs,
            input_names=names,
            output_names=outputs,
            dynamo=True,
            opset_version=18,
            optimize=True,
            dynamic_shapes=shapes,
        )
    program.save(str(args.out), external_data=False)


if __name__ == "__main__":
    main()
