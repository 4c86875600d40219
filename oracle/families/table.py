"""Name -> family, what it shows, seed, and the function that fills the folder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from kit.folder import FixtureFolder

from . import text


@dataclass(frozen=True)
class Entry:
    family: str
    shows: str
    seed: int
    make: Callable[[FixtureFolder], None]


LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 24,
}

FIXTURES: dict[str, Entry] = {
    "llama": Entry(
        "text",
        "Llama: grouped queries (6 heads on 2), head width 4, most config fields left out, byte-level BPE, ChatML template with a default system message",
        1001,
        partial(
            text.llama,
            style="chatml",
            every_byte=True,
            hidden=24,
            heads=6,
            kv_heads=2,
            mlp=36,
            max_position_embeddings=128,
        ),
    ),
    "llama-rope-scaled": Entry(
        "text",
        "Llama 3.1 rotary scaling, tied head, head_dim 10 other than hidden / heads, BPE with byte fallback, float16 file in three shards",
        1002,
        partial(
            text.llama,
            style="instruction",
            hidden=27,
            heads=3,
            kv_heads=1,
            mlp=40,
            head_dim=10,
            tie_word_embeddings=True,
            rms_norm_eps=1e-5,
            rope_theta=50000.0,
            rope_scaling=LLAMA3_SCALING,
            max_position_embeddings=256,
            dtype=torch.float16,
            shards=3,
        ),
    ),
    "llama-biases": Entry(
        "text",
        "Llama with biases in attention and MLP, gelu gate, linear rotary scaling, one layer more, rows of the vocabulary without tokens",
        1003,
        partial(
            text.llama,
            style="chatml",
            hidden=20,
            heads=2,
            kv_heads=2,
            mlp=33,
            layers=3,
            attention_bias=True,
            mlp_bias=True,
            hidden_act="gelu",
            rope_scaling={"type": "linear", "factor": 2.5},
            rms_norm_eps=1e-6,
            rope_theta=10000.0,
            vocabulary_rows=160,
            max_position_embeddings=128,
        ),
    ),
    "opt": Entry(
        "text",
        "OPT: learned positions, norm before each part, tied head, 5 heads of width 6",
        1011,
        partial(text.opt, hidden=30, heads=5, mlp=44, embedding=30),
    ),
    "opt-post-norm": Entry(
        "text",
        "OPT-350m's form: embedding narrower than the model (project_in, project_out), norm after each part, no final norm, gelu",
        1012,
        partial(
            text.opt, hidden=32, heads=4, mlp=40, embedding=20, do_layer_norm_before=False, activation_function="gelu"
        ),
    ),
}
