"""Mixtral as it is trained: what its routers give, how unevenly experts are asked, and that as a part of losses."""

import torch
from transformers import MixtralForCausalLM

from kit.folder import FixtureFolder
from kit.numbers import settle
from kit.weights import build, draw, published, save_checkpoint

from .decoders import EXPERTS
from .encoders import finish
from .preference import (
    SETTINGS,
    dpo_losses,
    grpo_losses,
    inputs_of,
    kto_loss,
    log_probabilities,
    reference_free_losses,
    save_reference,
    slopes,
)


MIXTRAL = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}


def balance(fixture: FixtureFolder, *, config: dict, rows: int, length: int) -> None:
    config = MIXTRAL | config
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


def preferences(fixture: FixtureFolder, *, config: dict) -> None:
    """TRL's losses of preference tuning with the balance of experts in them."""
    config = MIXTRAL | config
    weight = config["router_aux_loss_coef"]
    model = build(MixtralForCausalLM, config)
    draw(model, fixture.seed, {"gate": 2.0})
    save_checkpoint(fixture, model, config, EXPERTS)
    save_reference(fixture, MixtralForCausalLM, config, EXPERTS)

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        # Products of experts one by one: those of all at once are for single precision.
        kinds = {"attn_implementation": "eager", "experts_implementation": "eager"}
        policy, frozen = (
            MixtralForCausalLM.from_pretrained(fixture.path / name, dtype=dtype, **kinds).eval()
            for name in ("model", "reference")
        )
        with torch.no_grad():
            before, other, group = (log_probabilities(frozen, inputs, name).each for name in ("", "other_", "group_"))
            drifted = log_probabilities(policy, inputs, "other_").each
        said, drawn = log_probabilities(policy, inputs), log_probabilities(policy, inputs, "group_")
        losses = {"dpo": dpo_losses(inputs, said, before, ("sigmoid",), weight)[0]["sigmoid"]}
        losses |= reference_free_losses(inputs, said, weight)
        losses["kto"] = kto_loss(inputs, said, before.sum(1), (drifted.sum(1), other.sum(1)), weight)
        groups, more = grpo_losses(inputs, drawn, group, ("dapo",), weight)
        losses["grpo"] = groups["dapo"]
        parameters = {published(name, EXPERTS): value for name, value in policy.named_parameters()}
        uneven = {"aux_loss": said.uneven.detach(), "group_aux_loss": drawn.uneven.detach()}
        return uneven | more | slopes(losses, parameters)

    fixture.info["settings"] = SETTINGS
    fixture.note(
        "every loss is that of TRL's own function, which adds router_aux_loss_coef times aux_loss of the rows it learns from",
        "norm.<loss> is over all parameters, grad.<loss>.<parameter> of some of them",
        "inputs are those of the fixture `preference`, drawn by another seed",
    )
    settle(fixture, inputs_of(fixture, config["vocab_size"]), compute)
