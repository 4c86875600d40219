"""Mixtral as it is trained: what its routers give, how unevenly experts are asked, and that as a part of the loss."""

import torch
from transformers import MixtralForCausalLM

from kit.folder import FixtureFolder

from .decoders import EXPERTS
from .encoders import finish


def balance(fixture: FixtureFolder, *, config: dict, rows: int, length: int) -> None:
    config = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"} | config
    generator = torch.Generator().manual_seed(fixture.seed)
    ids = torch.randint(3, config["vocab_size"], (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(1, rows):
        mask[row, length - 2 * row :] = 0
    labels = torch.where(mask.bool(), ids, -100)
    labels[:, :2] = -100

    def forward(model, given):
        out = model(**given)
        padding = ~given["attention_mask"].bool().flatten()
        routers = [scores.masked_fill(padding[:, None], torch.nan) for scores in out.router_logits]
        found = {"router_logits": torch.stack(routers), "aux_loss": out.aux_loss.reshape(())}
        return found | {"logits": out.logits}, out.loss

    fixture.note(
        "loss: that of the words, and router_aux_loss_coef times aux_loss, since output_router_logits is set",
        "router_logits: a layer each, NaN for padding, which aux_loss leaves out",
    )
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    finish(fixture, MixtralForCausalLM, config, inputs, forward, renaming=EXPERTS, gains={"gate": 2.0})
