"""Compares models and adapters that Quintet saved with transformers, diffusers and peft, which must load them and give the
same logits, scores of reward models, likenesses of texts and pictures, or what a denoiser predicts.

    npx tsx scripts/save-examples.ts saved  # trains tiny models for a few steps and writes them with their logits
    .venv/bin/python oracle/check_saved.py saved
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from peft import PeftModel
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)


def kind_of(config: dict, tensors: dict):
    (name,) = config.get("architectures") or [""]
    if name.endswith("ForSequenceClassification"):
        return AutoModelForSequenceClassification
    if name.endswith("ForMaskedLM"):
        return AutoModelForMaskedLM
    if "logits_per_text" in tensors:
        return AutoModel
    return AutoModelForImageTextToText if "pixel_values" in tensors else AutoModelForCausalLM


def load_model(folder: Path, tensors: dict, rates: bool):
    """rates: whether an adapter makes a reward model of the base."""
    kind = kind_of(json.loads((folder / "config.json").read_text()), tensors)
    if rates and kind is AutoModelForCausalLM:
        return AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=1, dtype=torch.float32, attn_implementation="eager"
        ).eval()
    model, report = kind.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    left = {
        name: sorted(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[name]
    }
    if left:
        raise SystemExit(f"{folder}: {left}")
    return model.eval()


def scores(model, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Of each text; without a token for padding transformers takes one at a time."""
    if model.config.get_text_config().pad_token_id is not None:
        return model(input_ids=ids, attention_mask=real.long()).logits[:, 0]
    return torch.cat([model(input_ids=row[own][None]).logits[:, 0] for row, own in zip(ids, real, strict=True)])


def check(folder: Path) -> float:
    """The largest error of what is compared as a part of its largest magnitude."""
    tensors = load_file(folder / "trace.safetensors")
    if "unet.sample" in tensors:
        return far(denoised(folder / "model", tensors), tensors["unet.sample"])
    rates = "score" in tensors
    model = load_model(folder / "model", tensors, rates)
    (compared,) = {"score", "logits", "logits_per_text"} & tensors.keys()
    expected = tensors.pop(compared)
    if (folder / "adapter").is_dir():
        model = PeftModel.from_pretrained(model, folder / "adapter").eval()
    real = tensors["attention_mask"].bool()
    with torch.no_grad():
        found = scores(model, tensors["input_ids"], real) if rates else model(**tensors)[compared]
    return far(found[real], expected[real]) if compared == "logits" else far(found, expected)


def far(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def denoised(folder: Path, tensors: dict) -> torch.Tensor:
    unet = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32).unet.eval()
    with torch.no_grad():
        return unet(tensors["sample"], tensors["timestep"], tensors["encoder_hidden_states"]).sample


def main() -> None:
    errors = {folder.name: check(folder) for folder in sorted(Path(sys.argv[1]).iterdir())}
    print(json.dumps(errors, indent=1))
    if not errors or max(errors.values()) > 1e-4:
        raise SystemExit("some differ")


if __name__ == "__main__":
    main()
