"""Name -> family, what it shows, seed, and the function that fills the folder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from kit.folder import FixtureFolder

from . import encoders, llava, text


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
    "llava": Entry(
        "llava",
        "LLaVA under published names: last vision layer with its class token, head widths 10 and 6, one grouped key and value head, biases in attention",
        1021,
        partial(
            llava.llava,
            text={
                "hidden_size": 24,
                "intermediate_size": 34,
                "num_attention_heads": 4,
                "num_key_value_heads": 1,
                "num_hidden_layers": 2,
                "attention_bias": True,
            },
            vision={
                "hidden_size": 20,
                "intermediate_size": 28,
                "num_attention_heads": 2,
                "num_hidden_layers": 2,
                "image_size": 24,
                "patch_size": 6,
            },
            layer=-1,
            strategy="full",
        ),
    ),
    "llava-v5names": Entry(
        "llava",
        "LLaVA under the names transformers 5 writes: two vision layers side by side, no projector bias, gelu tower, grouped queries, bfloat16 in two shards",
        1022,
        partial(
            llava.llava,
            text={
                "hidden_size": 20,
                "intermediate_size": 36,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "num_hidden_layers": 2,
                "head_dim": 6,
                "rms_norm_eps": 1e-5,
                "rope_theta": 20000.0,
            },
            vision={
                "hidden_size": 18,
                "intermediate_size": 30,
                "num_attention_heads": 3,
                "num_hidden_layers": 3,
                "image_size": 20,
                "patch_size": 5,
                "hidden_act": "gelu",
            },
            published=False,
            layer=[-3, -2],
            projector_hidden_act="quick_gelu",
            multimodal_projector_bias=False,
            template_in="chat_template.json",
            dtype=torch.bfloat16,
            shards=2,
        ),
    ),
    "clip": Entry(
        "clip",
        "CLIP with OpenAI's eos_token_id 2: head widths 6 and 8, towers of different widths",
        1031,
        partial(
            encoders.clip,
            text={"hidden_size": 18, "intermediate_size": 28, "num_attention_heads": 3, "num_hidden_layers": 2},
            vision={
                "hidden_size": 24,
                "intermediate_size": 30,
                "num_attention_heads": 3,
                "num_hidden_layers": 2,
                "image_size": 20,
                "patch_size": 5,
            },
            projection=14,
            length=16,
        ),
    ),
    "clip-gelu": Entry(
        "clip",
        "CLIP of the OpenCLIP kind: gelu (erf), own end token id, three text layers",
        1032,
        partial(
            encoders.clip,
            text={
                "hidden_size": 16,
                "intermediate_size": 40,
                "num_attention_heads": 4,
                "num_hidden_layers": 3,
                "hidden_act": "gelu",
            },
            vision={
                "hidden_size": 20,
                "intermediate_size": 26,
                "num_attention_heads": 2,
                "num_hidden_layers": 1,
                "image_size": 18,
                "patch_size": 6,
                "hidden_act": "gelu",
            },
            projection=10,
            length=20,
            published_end=False,
        ),
    ),
    "siglip": Entry(
        "siglip",
        "SigLIP: attention pooling, sigmoid loss, full-length texts without mask, head widths 7 and 6",
        1033,
        partial(
            encoders.siglip,
            text={"hidden_size": 14, "intermediate_size": 30, "num_attention_heads": 2, "num_hidden_layers": 2},
            vision={
                "hidden_size": 18,
                "intermediate_size": 26,
                "num_attention_heads": 3,
                "num_hidden_layers": 2,
                "image_size": 20,
                "patch_size": 5,
            },
            length=18,
        ),
    ),
    "clip-vision": Entry(
        "clip",
        "CLIP's vision tower alone, with vision_model. before its names as published files have it, every hidden state",
        1034,
        partial(
            encoders.vision_tower,
            kind="clip",
            settings={
                "hidden_size": 20,
                "intermediate_size": 30,
                "num_attention_heads": 4,
                "num_hidden_layers": 3,
                "image_size": 21,
                "patch_size": 7,
            },
            renaming=((r"(?!vision_model\.)", "vision_model."),),
        ),
    ),
    "clip-vision-projection": Entry(
        "clip",
        "CLIP's vision tower with the projection into the common space, gelu",
        1035,
        partial(
            encoders.vision_tower,
            kind="clip-projection",
            settings={
                "hidden_size": 18,
                "intermediate_size": 24,
                "num_attention_heads": 2,
                "num_hidden_layers": 2,
                "image_size": 16,
                "patch_size": 4,
                "hidden_act": "gelu",
                "projection_dim": 12,
            },
        ),
    ),
    "siglip-vision": Entry(
        "siglip",
        "SigLIP's vision tower alone with its pooling head, picture size no multiple of the patch",
        1036,
        partial(
            encoders.vision_tower,
            kind="siglip",
            settings={
                "hidden_size": 20,
                "intermediate_size": 32,
                "num_attention_heads": 2,
                "num_hidden_layers": 2,
                "image_size": 23,
                "patch_size": 5,
            },
            renaming=((r"(?!vision_model\.)", "vision_model."),),
        ),
    ),
}
