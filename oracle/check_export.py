"""Loads what Quintet's runs have written by the Auto classes of transformers and by peft, as a user would, and compares answers.

    npx tsx scripts/export-examples.ts exported  # trains tiny models by run files, and writes what the results answer
    .venv/bin/python oracle/check_export.py exported

The whole of a result is used: config.json, generation_config.json, the processor's or tokenizer's files with the chat
template, the weights; its card is read as the Hub reads it.
"""

import json
import sys
from pathlib import Path

import torch
from huggingface_hub import ModelCard
from peft import PeftModel
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
)


def load(folder: Path, pictures: bool):
    written = AutoConfig.from_pretrained(folder).is_encoder_decoder and not pictures
    kind = AutoModelForImageTextToText if pictures else AutoModelForSeq2SeqLM if written else AutoModelForCausalLM
    model, report = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    left = {name: sorted(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[name]}
    if left:
        raise SystemExit(f"{folder}: {left}")
    return model.eval()


def inputs_of(source: Path, folder: Path, expected: dict):
    if not expected["pictures"]:
        tokenizer = AutoTokenizer.from_pretrained(source)
        if tokenizer.chat_template is None:
            return tokenizer(expected["prompt"], return_tensors="pt")
        messages = [{"role": "user", "content": expected["prompt"]}]
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    processor = AutoProcessor.from_pretrained(source, backend="pil")
    images = [Image.open(folder / name).convert("RGB") for name in expected["pictures"]]
    if processor.chat_template is None:
        return processor(images=images, text=expected["prompt"], return_tensors="pt")
    content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": expected["prompt"]}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def check_card(folder: Path, adapter: bool, losses: list) -> None:
    card = ModelCard.load(folder / "README.md").data
    assert card.library_name == ("peft" if adapter else "transformers"), card
    assert card.pipeline_tag in ("image-text-to-text", "text-generation", "text2text-generation"), card
    (result,) = [result for result in card.eval_results if result.metric_type == "loss"]
    assert result.metric_value == losses[-1], (result.metric_value, losses)


def check(folder: Path) -> int:
    expected = json.loads((folder / "expected.json").read_text())
    result = folder / expected["result"]
    adapter = result.name == "adapter"
    source = folder / expected["base"] if adapter else result
    model = load(source, bool(expected["pictures"]))
    if adapter:
        model = PeftModel.from_pretrained(model, result).eval()
    else:
        GenerationConfig.from_pretrained(result)
    inputs = inputs_of(source, folder, expected)
    with torch.no_grad():
        answer = model.generate(**inputs, do_sample=False, max_new_tokens=expected["tokens"])[0]
    # What an encoder reads is no part of the answer, which begins with a token of its own.
    ids = answer[1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1] :]
    if ids.tolist() != expected["ids"]:
        raise SystemExit(f"{folder.name}: transformers answers {ids.tolist()}, Quintet {expected['ids']}")
    log = [json.loads(line) for line in (folder / "out/only/log.jsonl").read_text().splitlines()]
    check_card(result, adapter, [record["evaluation"]["loss"] for record in log if "evaluation" in record])
    return len(ids)


def main() -> None:
    print(json.dumps({folder.name: check(folder) for folder in sorted(Path(sys.argv[1]).iterdir())}, indent=1))


if __name__ == "__main__":
    main()
