"""Compares models and adapters that Quintet saved with transformers and peft, which must load them and give the same logits.

    npx tsx scripts/save-examples.ts saved  # trains tiny models for a few steps and writes them with their logits
    .venv/bin/python oracle/check_saved.py saved
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText


def load_model(folder: Path, pictures: bool):
    kind = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
    model, report = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    left = {name: sorted(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[name]}
    if left:
        raise SystemExit(f"{folder}: {left}")
    return model.eval()


def check(folder: Path) -> float:
    """The largest error of the logits as a part of their largest magnitude."""
    tensors = load_file(folder / "trace.safetensors")
    expected = tensors.pop("logits")
    model = load_model(folder / "model", "pixel_values" in tensors)
    if (folder / "adapter").is_dir():
        model = PeftModel.from_pretrained(model, folder / "adapter").eval()
    with torch.no_grad():
        found = model(**tensors).logits
    real = tensors["attention_mask"].bool()
    return float((found - expected)[real].abs().max() / expected[real].abs().max())


def main() -> None:
    errors = {folder.name: check(folder) for folder in sorted(Path(sys.argv[1]).iterdir())}
    print(json.dumps(errors, indent=1))
    if not errors or max(errors.values()) > 1e-4:
        raise SystemExit("some logits differ")


if __name__ == "__main__":
    main()
