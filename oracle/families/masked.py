"""BERT with its head for masked words, under the names that its first published files have."""

import torch
from transformers import BertForMaskedLM

from kit.folder import FixtureFolder, write_json

from .encoders import TEXTS, begin_bert, finish

# Norms had a gamma and a beta.
FIRST_NAMES = ((r"(.*LayerNorm)\.weight", r"\1.gamma"), (r"(.*LayerNorm)\.bias", r"\1.beta"))
SHARE = 0.3


def bert_masked(fixture: FixtureFolder, *, settings: dict, length: int) -> None:
    tokenizer, config = begin_bert(fixture, "BertForMaskedLM", settings, length)
    write_json(fixture.path / "texts.json", TEXTS)
    batch = dict(tokenizer(TEXTS, padding=True, truncation=True, max_length=length, return_tensors="pt"))
    generator = torch.Generator().manual_seed(fixture.seed)
    ids = batch["input_ids"]
    real = (ids > tokenizer.mask_token_id) & batch["attention_mask"].bool()
    hidden = real & (torch.rand(ids.shape, generator=generator) < SHARE)
    kept = torch.rand(ids.shape, generator=generator) < 0.2
    inputs = batch | {
        "input_ids": torch.where(hidden & ~kept, tokenizer.mask_token_id, ids),
        "labels": torch.where(hidden, ids, -100),
        "token_type_ids": torch.zeros_like(ids),
    }

    def forward(model, given):
        out = model(**given, output_hidden_states=True)
        return {"last_hidden": out.hidden_states[-1], "logits": out.logits}, out.loss

    # A file of that time also holds what scores words twice, the pooling head, and whether sentences follow each other.
    width = settings["hidden_size"]
    others = {
        "bert.pooler.dense.weight": torch.ones(width, width),
        "bert.pooler.dense.bias": torch.zeros(width),
        "cls.seq_relationship.weight": torch.ones(2, width),
        "cls.seq_relationship.bias": torch.zeros(2),
    }
    fixture.note("labels are the ids before masking, -100 where a token was not chosen")
    gains = {r"self\.(query|key)": 1.5}
    finish(fixture, BertForMaskedLM, config, inputs, forward, renaming=FIRST_NAMES, gains=gains, extra=others)
