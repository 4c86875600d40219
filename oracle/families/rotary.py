"""Angles of rotary positions under every scaling, by the classes of the models that use them."""

import torch
from transformers import LlamaConfig, Phi3Config
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

from kit.folder import FixtureFolder, stored, write_json

CLASSES = {"llama": (LlamaConfig, LlamaRotaryEmbedding), "phi3": (Phi3Config, Phi3RotaryEmbedding)}
SIZES = {"hidden_size": 48, "num_attention_heads": 4, "max_position_embeddings": 64}
SHORT, LONG = [1.0, 1.1, 1.4, 2.0, 2.6, 3.1], [1.2, 2.3, 5.0, 9.0, 17.5, 30.0]
ROWS = {
    "short": [[0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 10, 11]],
    "long": [[0, 1, 2, 3, 40, 41, 70, 150], [0, 0, 0, 1, 2, 3, 4, 5]],
}


def scaled(kind: str, **parameters) -> dict:
    return {"rope_scaling": {"rope_type": kind, **parameters}}


CASES = {
    "plain": {"rope_theta": 500.0},
    "other head": {"head_dim": 20, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    "linear": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "rope_theta": 1000.0},
    "dynamic, steep": scaled("dynamic", factor=8.0) | {"max_position_embeddings": 24},
    "yarn": scaled("yarn", factor=4.0, original_max_position_embeddings=16),
    "yarn, in no file's words": scaled("yarn", factor=4.0) | {"rope_theta": 100.0},
    "yarn, own bounds": scaled("yarn", factor=8.0, original_max_position_embeddings=512, beta_fast=20, beta_slow=2.5),
    "yarn, fractions": scaled("yarn", factor=40.0, original_max_position_embeddings=300, beta_fast=9, truncate=False),
    "yarn, two scales": scaled(
        "yarn", factor=40.0, original_max_position_embeddings=90, mscale=1.0, mscale_all_dim=0.7
    ),
    "yarn, own gain": scaled("yarn", factor=4.0, original_max_position_embeddings=48, attention_factor=1.25),
    "longrope": scaled("longrope", short_factor=SHORT, long_factor=LONG, original_max_position_embeddings=32),
    "longrope, own factor": scaled(
        "longrope", short_factor=SHORT, long_factor=LONG, original_max_position_embeddings=32, factor=16.0
    ),
    "longrope, own gain": scaled(
        "longrope", short_factor=SHORT, long_factor=LONG, original_max_position_embeddings=100, attention_factor=0.9
    ),
    "llama3": {
        **scaled("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=48),
        "rope_theta": 1000.0,
    },
    "both forms": {
        "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 100.0},
        "rope_scaling": {"rope_type": "linear", "factor": 7.0},
        "rope_theta": 300.0,
    },
    "part, of a class that turns all": {"rope_theta": 700.0, "partial_rotary_factor": 0.5},
    "part": {"model_type": "phi3", "partial_rotary_factor": 0.5},
    "part, by another name": {
        "model_type": "phi3",
        "partial_rotary_factor": 0.34,
        "original_max_position_embeddings": 50,
        "rope_scaling": {"type": "yarn", "short_factor": SHORT[:2], "long_factor": LONG[2:4]},
    },
    "part, longrope": {
        "model_type": "phi3",
        "partial_rotary_factor": 0.67,
        "original_max_position_embeddings": 24,
        "rope_scaling": {"type": "longrope", "short_factor": SHORT[:4], "long_factor": LONG[:4]},
    },
    "part, by its first name": {
        "model_type": "phi3",
        "partial_rotary_factor": 0.34,
        "original_max_position_embeddings": 40,
        "rope_scaling": {
            "type": "su",
            "short_factor": SHORT[:2],
            "long_factor": LONG[:2],
            "original_max_position_embeddings": 40,
        },
    },
}


def rotary(fixture: FixtureFolder) -> None:
    fixture.note(
        "configs.json holds a configuration for each case; the scaling sees the largest position of a call, over all rows",
        "cosines and sines are those of the first half of a head's turned numbers: the second half repeats them",
    )
    configs = {name: {"model_type": "llama", **SIZES, **fields} for name, fields in CASES.items()}
    write_json(fixture.path / "configs.json", configs)
    fixture.inputs[""] = {f"positions/{name}": torch.tensor(rows) for name, rows in ROWS.items()}
    expected = {}
    for name, config in configs.items():
        typed, embedding = CLASSES[config["model_type"]]
        for length, positions in ROWS.items():
            # A new one each time: these classes remember the longest row that they have seen.
            module = embedding(typed.from_dict(dict(config)))
            halves = (
                angles[..., : angles.shape[-1] // 2] for angles in module(torch.zeros(1), torch.tensor(positions))
            )
            for kind, values in zip(("cosines", "sines"), halves, strict=True):
                expected[f"{kind}/{name}/{length}"] = values
    fixture.expected[""] = stored(expected)
    fixture.model.rmdir()
