"""QLoRA by bitsandbytes and peft: LoRA on a Llama whose linear weights are rounded to four bits (NF4)."""

from dataclasses import asdict
from pathlib import Path

import bitsandbytes.functional as blocks
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from kit.folder import FixtureFolder, stored
from kit.numbers import settle
from kit.weights import build, draw, save_checkpoint

from .training import (
    STEP_NOTES,
    Recipe,
    adapter_key,
    mean_loss,
    open_model,
    padded,
    progressions,
    save_drawn_lora,
    train,
)

BLOCK, OUTER_BLOCK = 64, 256


def is_rounded(name: str, value: torch.Tensor) -> bool:
    """Whether a model that is loaded in four bits holds a parameter so: its linear weights, but not the head."""
    return value.ndim == 2 and ".layers." in name


def rounded(value: torch.Tensor) -> tuple[dict, torch.Tensor]:
    """A weight as bitsandbytes stores it, by suffix of its name, and the numbers that this stands for.

    The numbers follow from the definition: the library's own way back is wrong on the CPU where rows are no whole blocks.
    """
    codes, state = blocks.quantize_4bit(value.float(), blocksize=BLOCK, quant_type="nf4")
    # As compress_statistics does it, but in float64: for float32 on the CPU alone, the library rounds to 2^16 steps first.
    state.offset, state.nested = state.absmax.mean(), True
    code = blocks.create_dynamic_map()
    state.absmax, scales = torch.ops.bitsandbytes.quantize_blockwise.default(
        (state.absmax - state.offset).double(), code, OUTER_BLOCK
    )
    state.state2 = blocks.QuantState(absmax=scales, code=code, blocksize=OUTER_BLOCK, dtype=torch.float32)
    scale = state.state2.absmax.repeat_interleave(OUTER_BLOCK)[: len(state.absmax)]
    largest = state.state2.code[state.absmax.long()] * scale + state.offset
    nibbles = torch.stack([codes >> 4, codes & 15], dim=-1).flatten().long()
    numbers = state.code[nibbles][: value.numel()] * largest.repeat_interleave(BLOCK)[: value.numel()]
    pieces = {"": codes} | {f".{piece}": tensor for piece, tensor in state.as_dict(packed=True).items()}
    return pieces, numbers.view(value.shape)


def save_rounded(folder: Path, tensors: dict) -> dict:
    """Writes a checkpoint with its linear weights in four bits; returns all weights as the numbers that it stands for."""
    written, numbers = {}, {}
    for name, value in tensors.items():
        if is_rounded(name, value):
            pieces, numbers[name] = rounded(value)
            written |= {name + suffix: piece for suffix, piece in pieces.items()}
        else:
            written[name] = numbers[name] = value.float()
    save_file(stored(written), folder / "model.safetensors", metadata={"format": "pt"})
    return numbers


def qlora(fixture: FixtureFolder, *, config: dict, recipe: Recipe, lora: dict, rows: int, length: int) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 32, **config}
    whole = build(LlamaForCausalLM, config)
    draw(whole, fixture.seed, dtype=torch.float16)
    save_checkpoint(fixture, whole, config, dtype=torch.float16)
    settings = {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": "float32",
        "bnb_4bit_quant_storage": "uint8",
    }
    four = fixture.path / "model-nf4"
    save_checkpoint(fixture, whole, {**config, "quantization_config": settings}, folder=four)
    numbers = save_rounded(four, load_file(fixture.model / "model.safetensors"))

    before = fixture.path / "adapter-before"
    random = save_drawn_lora(LlamaForCausalLM, fixture, lora, before)

    ids = progressions(random, recipe.steps * rows, length, config["vocab_size"]).view(recipe.steps, rows, length)
    data = padded(ids, torch.randint(length // 2, length + 1, (recipe.steps, rows), generator=random))

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        base = open_model(LlamaForCausalLM, fixture, dtype)
        base.load_state_dict({name: value.to(dtype) for name, value in numbers.items()})
        model = (
            PeftModel.from_pretrained(base, before, is_trainable=True, autocast_adapter_dtype=False).to(dtype).eval()
        )
        parameters = {adapter_key(name): value for name, value in model.named_parameters() if value.requires_grad}

        def logits(step: int) -> torch.Tensor:
            return model(**{name: inputs[name][step] for name in ("input_ids", "attention_mask")}).logits

        with model.disable_adapter():
            found = {"logits_base": logits(0).detach()}
        found |= train(parameters, lambda step: mean_loss(logits(step), inputs["labels"][step]), recipe)
        return found | {"logits_after": logits(0).detach()}

    fixture.info["settings"] = {"train": asdict(recipe), "lora": lora, "block": BLOCK}
    fixture.note(
        *STEP_NOTES,
        "model holds the weights in float16, model-nf4 the same ones as bitsandbytes rounds and stores them: blocks of 64 "
        "with double quantisation",
        "all numbers are those of the rounded weights; y = W x + lora_alpha / r * B (A x), A and B alone learn",
        "training starts from adapter-before, whose lora_B is not zero; input_ids[i] and so on are the batch of step i",
        "logits_base and logits_after are of the batch of step 0: without the adapter, and after the last step",
    )
    settle(fixture, data, compute)
