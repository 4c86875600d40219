"""Writes test/fixtures/checkpoint/<name>.gguf: fixtures under the names and settings of llama.cpp, by its Python package.
usage: python oracle/gguf_models.py   needs: gguf, numpy, torch, safetensors; the fixtures themselves"""

import json
import math
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
ARCHITECTURES = {
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "phi3": gguf.MODEL_ARCH.PHI3,
}


def settings(writer: gguf.GGUFWriter, config: dict) -> None:
    """The settings that llama.cpp writes of these families, which differ from their defaults here."""
    heads = config["num_attention_heads"]
    width = config.get("head_dim", config["hidden_size"] // heads)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-5 if config["model_type"] == "phi3" else 1e-6))
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(int(width * config.get("partial_rotary_factor", 1)))
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    if kind == "longrope":
        original = config["original_max_position_embeddings"]
        ratio = config["max_position_embeddings"] / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(ratio) / math.log(original)))
        writer.add_sliding_window(0)
        for length in ("long", "short"):
            factors = torch.tensor(scaling[f"{length}_factor"], dtype=torch.float32)
            writer.add_tensor(f"rope_factors_{length}.weight", factors.numpy())


def convert(name: str) -> None:
    model = FIXTURES / name / "model"
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    architecture = ARCHITECTURES[config["model_type"]]
    writer = gguf.GGUFWriter(FIXTURES / "checkpoint" / f"{name}.gguf", gguf.MODEL_ARCH_NAMES[architecture])
    settings(writer, config)
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for theirs, value in load_file(model / "model.safetensors").items():
        own = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        if value.dtype == torch.bfloat16 and value.ndim > 1:
            bits = value.view(torch.int16).numpy().view("uint8")
            writer.add_tensor(own, bits, raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(own, value.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for fixture in ("qwen2", "qwen3", "phi3"):
    convert(fixture)
