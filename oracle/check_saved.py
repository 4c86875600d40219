"""Compares models and adapters that Quintet saved with transformers and peft, which must load them and give the same logits or, of reward models,
the same scores.

    npx tsx scripts/save-examples.ts saved  # trains tiny models for a few steps and writes them with their logits
    .venv/bin/python oracle/check_saved.py saved
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import (
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
    return AutoModelForImageTextToText if "pixel_values" in tensors else AutoModelForCausalLM


def load_model(folder: Path, tensors: dict, rates: bool):
    """rates: whether an adapter makes a reward model of the base."""
    kind = kind_of(json.loads((folder / "config.json").read_text()), tensors)
    if rates and kind is AutoModelForCausalLM:
        return AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=1, dtype=torch.float32, attn_implementation="eager"
        ).eval()
    model, report = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    left = {name: sorted(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[name]}
    if left:
        raise SystemExit(f"{folder}: {left}")
    return model.eval()


def scores(model, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Of each text; without a token for padding transformers takes one at a time."""
    if model.config.get_text_config().pad_token_id is not None:
        return model(input_ids=ids, attention_mask=real.long()).logits[:, 0]
    return torch.cat([model(input_ids=row[own][None]).logits[:, 0] for row, own in zip(ids, real, strict=True)])


def check(folder: Path) -> float:
    """The largest error of the logits, or of the scores, as a part of their largest magnitude."""
    tensors = load_file(folder / "trace.safetensors")
    rates = "score" in tensors
    expected = tensors.pop("score" if rates else "logits")
    model = load_model(folder / "model", tensors, rates)
    if (folder / "adapter").is_dir():
        model = PeftModel.from_pretrained(model, folder / "adapter").eval()
    real = tensors["attention_mask"].bool()
    with torch.no_grad():
        if rates:
            found = scores(model, tensors["input_ids"], real)
            return float((found - expected).abs().max() / expected.abs().max())
        found = model(**tensors).logits
    return float((found - expected)[real].abs().max() / expected[real].abs().max())


def main() -> None:
    errors = {folder.name: check(folder) for folder in sorted(Path(sys.argv[1]).iterdir())}
    print(json.dumps(errors, indent=1))
    if not errors or max(errors.values()) > 1e-4:
        raise SystemExit("some logits differ")


if __name__ == "__main__":
    main()
