"""Reward models: ratings of transformers' classifier of sequences, and TRL's losses of pairs over them."""

from types import SimpleNamespace

import torch
from transformers import LlamaForSequenceClassification

from kit.folder import FixtureFolder
from kit.numbers import settle
from kit.weights import build, draw, save_checkpoint

from .preference import laid_out, slopes, trainer
from .training import open_model, progressions

CENTER = 0.3


def pairs(fixture: FixtureFolder, vocabulary: int) -> dict:
    random = torch.Generator().manual_seed(fixture.seed)
    prompts = [progressions(random, 1, 2 + i % 3, vocabulary)[0].tolist() for i in range(3)]
    said = [progressions(random, 1, 2 + row * 5 % 4, vocabulary)[0].tolist() + [2] for row in range(6)]
    given = laid_out([prompts[row // 2] for row in range(6)], said)
    return given | {
        "chosen": torch.tensor([0, 3, 5]),
        "rejected": torch.tensor([1, 2, 4]),
        "margins": torch.tensor([0.5, 0.0, 1.25]),
    }


def pair_loss(model, inputs: dict, *, center: float | None, margin: bool) -> tuple[torch.Tensor, dict]:
    """What TRL's trainer computes, which takes all chosen answers before all rejected ones."""
    from trl import RewardTrainer

    order = torch.cat([inputs["chosen"], inputs["rejected"]])
    given = {name: inputs[name][order] for name in ("input_ids", "attention_mask")}
    given |= {"margin": inputs["margins"]} if margin else {}
    own = trainer(args=SimpleNamespace(center_rewards_coefficient=center))
    loss = RewardTrainer.compute_loss(own, model, given)
    return loss, {name: values[0] for name, values in own._metrics["eval"].items()}


def reward(fixture: FixtureFolder, *, config: dict) -> None:
    config = config | {
        **{"architectures": ["LlamaForSequenceClassification"], "model_type": "llama", "pad_token_id": 0},
        **{"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}},
    }
    model = build(LlamaForSequenceClassification, config)
    draw(model, fixture.seed, {"score": 2.0})
    save_checkpoint(fixture, model, config)

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        model = open_model(LlamaForSequenceClassification, fixture, dtype)
        parameters = dict(model.named_parameters())
        losses = {}
        losses["plain"], told = pair_loss(model, inputs, center=None, margin=False)
        losses["margin"], _ = pair_loss(model, inputs, center=None, margin=True)
        losses["center"], _ = pair_loss(model, inputs, center=CENTER, margin=True)
        score = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[:, 0].detach()
        metrics = {f"metric/{name}": torch.tensor(told[name], dtype=dtype) for name in ("mean_reward", "accuracy", "margin")}
        return {"score": score} | metrics | slopes(losses, parameters)

    fixture.info["settings"] = {"center": CENTER}
    fixture.note(
        "score: of each row at its last token; chosen and rejected are rows of input_ids",
        "plain has no margins and no centre, margin has margins, center both; the metrics are those of plain",
    )
    settle(fixture, pairs(fixture, config["vocab_size"]), compute)
