"""The fixtures of training runs and of diffusion."""

from functools import partial

from . import training
from .entry import Entry, layers
from .training import Recipe

TINY_TEXT = layers(16, 22, 2, 2, num_key_value_heads=1, vocab_size=40)
TINY_VISION = layers(10, 16, 2, 2, image_size=12, patch_size=4)

TRAINING = {
    "train-full-llama": Entry(
        "training",
        "20 steps of AdamW on a whole Llama with a tied head: clipping at 0.5, linear warm-up and decay, eps 1e-6",
        1101,
        partial(
            training.full_llama,
            config=layers(18, 26, 3, 2, num_key_value_heads=1, vocab_size=60, tie_word_embeddings=True),
            recipe=Recipe(lr=5e-3, eps=1e-6, weight_decay=0.05, max_grad_norm=0.5, schedule="linear"),
            rows=3,
            length=10,
        ),
    ),
    "train-llava-align": Entry(
        "training",
        "LLaVA's alignment stage, 20 steps: only the projector learns, labels only on the answer",
        1111,
        partial(
            training.llava_align,
            text=TINY_TEXT,
            vision=TINY_VISION,
            recipe=Recipe(lr=3e-3, weight_decay=0.1, warmup_steps=2),
        ),
    ),
    "train-llava-lora": Entry(
        "training",
        "LoRA of rank 3 on q, o and down projections of LLaVA's language model and the whole projector, 20 steps",
        1121,
        partial(
            training.llava_lora,
            text=TINY_TEXT,
            vision=TINY_VISION,
            recipe=Recipe(lr=4e-3, betas=(0.9, 0.999), warmup_steps=4),
            lora={
                "r": 3,
                "lora_alpha": 7,
                "lora_dropout": 0.0,
                "bias": "none",
                "task_type": "CAUSAL_LM",
                "target_modules": r".*language_model.*\.(q_proj|o_proj|down_proj)",
                "modules_to_save": ["multi_modal_projector"],
            },
        ),
    ),
    "grad-accum": Entry(
        "training",
        "three micro-batches a step with different numbers of targets, normalised by those of the whole step, clipped once",
        1131,
        partial(
            training.accumulation,
            config=layers(12, 20, 2, 1, num_key_value_heads=2, vocab_size=36),
            lr=0.2,
            steps=2,
            micro=3,
            max_grad_norm=0.7,
        ),
    ),
}
