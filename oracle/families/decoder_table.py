"""Fixtures of language models beyond Llama and OPT, and of rotary positions."""

from functools import partial

import torch

from . import decoders, rotary
from .entry import Entry, layers

DECODERS = {
    "rotary": Entry("rotary", "cosines and sines of rotary positions under every scaling", 1021, rotary.rotary),
    "gpt2": Entry(
        "decoders",
        "GPT-2 as first released: names without transformer., causal masks among the weights, tied head, four heads of width 5",
        1013,
        partial(decoders.gpt2, width=20, heads=4, bare=True, masks=torch.float32),
    ),
    "gpt2-prefixed": Entry(
        "decoders",
        "GPT-2 under transformer., own n_inner, relu, scores divided by their layer's number, own head, three layers, float16 file",
        1014,
        partial(
            decoders.gpt2,
            width=18,
            heads=3,
            bare=False,
            masks=torch.uint8,
            layers=3,
            positions=52,
            dtype=torch.float16,
            n_inner=26,
            activation_function="relu",
            layer_norm_epsilon=1e-6,
            scale_attn_by_inverse_layer_idx=True,
            tie_word_embeddings=False,
        ),
    ),
    "qwen2": Entry(
        "decoders",
        "Qwen2: biases of queries, keys and values, tied head, rope_theta 1e6, a window that is switched off, NFC before the BPE",
        1015,
        partial(
            decoders.decoder,
            family="qwen2",
            style="qwen2",
            sizes=layers(18, 24, 3, 2, num_key_value_heads=1),
            max_position_embeddings=256,
            rope_theta=1e6,
            tie_word_embeddings=True,
            use_sliding_window=False,
            sliding_window=3,
            max_window_layers=1,
        ),
    ),
    "qwen3": Entry(
        "decoders",
        "Qwen3: norms of each head's queries and keys, head_dim 8 other than hidden / heads, YaRN, bfloat16 file, "
        "a template that forgets earlier thoughts",
        1016,
        partial(
            decoders.decoder,
            family="qwen3",
            style="qwen3",
            sizes=layers(20, 26, 3, 2, num_key_value_heads=1, head_dim=8),
            dtype=torch.bfloat16,
            max_position_embeddings=256,
            rope_theta=1e6,
            rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        ),
    ),
}
