"""Preference tuning: TRL's own loss functions over the log-probabilities of a small Llama and its reference."""

import json
import os
from collections import defaultdict
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from kit.folder import FixtureFolder
from kit.numbers import settle
from kit.weights import build, draw, save_checkpoint

from .training import llama_model, open_model, progressions

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

BETA, SMOOTHING, GAMMA, UNDESIRABLE = 0.2, 0.15, 0.4, 1.4
KL, EPSILON, EPSILON_HIGH, LONGEST = 0.05, 0.1, 0.25, 8
DPO = ("sigmoid", "robust", "hinge", "ipo", "sigmoid_norm", "apo_zero", "apo_down", "nca_pair", "sppo_hard")
GRPO = ("grpo", "bnpo", "dr_grpo", "dapo")
# Rows of micro-batches, by which bnpo differs from dapo.
PARTS = ([0, 1, 4, 5], [2, 3])
SETTINGS = {
    **{"beta": BETA, "smoothing": SMOOTHING, "simpo": {"beta": 2.0, "margin": GAMMA}},
    **{"undesirable": UNDESIRABLE, "epsilon": EPSILON, "epsilon_high": EPSILON_HIGH, "kl": KL},
}
# Some parameters from the beginning to the end; the norm is over all.
SHOWN = (
    "model.embed_tokens.weight",
    "model.layers.1.self_attn.q_proj.weight",
    "model.norm.weight",
    "lm_head.weight",
    "score.weight",
    "model.layers.1.block_sparse_moe.gate.weight",
)


class Still:
    """What a trainer asks of its accelerator when there is one process."""

    num_processes = 1
    sync_gradients = True
    device = torch.device("cpu")
    gather = gather_for_metrics = staticmethod(lambda tensor: tensor)
    reduce = staticmethod(lambda tensor, reduction=None: tensor)


def trainer(**settings) -> SimpleNamespace:
    """The attributes that TRL's loss functions read of a trainer."""
    usual = {
        "model": SimpleNamespace(training=False),
        "accelerator": Still,
        "aux_loss_enabled": False,
        "precompute_ref_logps": True,
        "_metrics": defaultdict(lambda: defaultdict(list)),
        "_total_train_tokens": 0,
        "_tp_size": 1,
    }
    return SimpleNamespace(**usual | settings)


def balancing(weight: float) -> dict:
    """What tells a trainer to balance experts; nothing where a model has none."""
    return {"aux_loss_enabled": True, "router_aux_loss_coef": weight, "aux_loss_coef": weight} if weight else {}


def laid_out(prompts: list, said: list) -> dict:
    length = max(len(a) + len(b) for a, b in zip(prompts, said, strict=True))
    ids = torch.zeros(len(prompts), length, dtype=torch.long)
    present, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (prompt, answer) in enumerate(zip(prompts, said, strict=True)):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        present[row, :end] = 1
        labels[row, len(prompt) : end] = torch.tensor(answer)
    return {"input_ids": ids, "attention_mask": present, "labels": labels}


def inputs_of(fixture: FixtureFolder, vocabulary: int) -> dict:
    random = torch.Generator().manual_seed(fixture.seed)
    prompts = [progressions(random, 1, 2 + i % 3, vocabulary)[0].tolist() for i in range(3)]
    said = [progressions(random, 1, 2 + row * 5 % 4, vocabulary)[0].tolist() + [2] for row in range(6)]
    pairs = laid_out([prompts[row // 2] for row in range(6)], said)
    # Chosen and rejected answers in changing order.
    pairs |= {"chosen": torch.tensor([0, 3, 5]), "rejected": torch.tensor([1, 2, 4])}
    other = laid_out([prompts[row // 2] for row in range(6)], said[1:] + said[:1])
    group = laid_out(
        [prompts[row // 3] for row in range(6)],
        [progressions(random, 1, 1 + row * 3 % 5, vocabulary)[0].tolist() + [2] for row in range(6)],
    )
    return (
        pairs
        | {f"other_{name}": value for name, value in other.items()}
        | {f"group_{name}": value for name, value in group.items()}
        | {
            "desirable": torch.tensor([1, 0, 0, 1, 1, 0]),
            "rewards": torch.randn(6, generator=random),
            "drift": 0.2 * torch.randn(group["input_ids"].shape[0], group["input_ids"].shape[1] - 1, generator=random),
        }
    )


class Said(NamedTuple):
    """Log-probabilities of every labelled token behind the first, [B, T-1], the scores that they come from, and how unevenly
    experts were asked."""

    each: torch.Tensor
    logits: torch.Tensor
    uneven: torch.Tensor | None


def log_probabilities(model, inputs: dict, prefix: str = "") -> Said:
    ids, present, labels = (inputs[prefix + name] for name in ("input_ids", "attention_mask", "labels"))
    out = model(input_ids=ids, attention_mask=present)
    each = out.logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    return Said(each * (labels[:, 1:] != -100), out.logits, getattr(out, "aux_loss", None))


def dpo_losses(
    inputs: dict, said: Said, reference: torch.Tensor, kinds: tuple = DPO, weight: float = 0
) -> tuple[dict, dict]:
    from trl import DPOTrainer

    each = said.each
    order = torch.cat([inputs["chosen"], inputs["rejected"]])
    frozen = reference.sum(1)
    given = {name: inputs[name][order] for name in ("input_ids", "attention_mask")}
    given |= {"completion_mask": (inputs["labels"] != -100).long()[order]}
    given |= {"ref_chosen_logps": frozen[inputs["chosen"]], "ref_rejected_logps": frozen[inputs["rejected"]]}
    blank = torch.zeros_like(each)
    seen = SimpleNamespace(
        log_probs=each[order], entropy=blank, mean_logits=blank, is_top1=blank.bool(), aux_loss=said.uneven
    )
    losses, told = {}, {}
    for kind in kinds:
        settings = {"loss_types": [kind], "loss_weights": [1.0], "beta": BETA, "label_smoothing": SMOOTHING}
        settings |= balancing(weight)
        own = trainer(**settings, ld_alpha=None, f_divergence_type="reverse_kl", use_weighting=False)
        losses[kind] = DPOTrainer._compute_loss(own, lambda **_: seen, given, False)
        told = {name: torch.tensor(values[0]) for name, values in own._metrics["eval"].items()}
    names = (
        "rewards/chosen",
        "rewards/rejected",
        "rewards/margins",
        "rewards/accuracies",
        "logps/chosen",
        "logps/rejected",
    )
    return losses, {f"metric/{name}": told[name] for name in names}


def reference_free_losses(inputs: dict, said: Said, weight: float = 0) -> dict:
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    chosen, rejected = inputs["chosen"], inputs["rejected"]
    logits = said.logits
    total = said.each.sum(1)
    mean = total / (inputs["labels"][:, 1:] != -100).sum(1)
    spoken = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"], -100)

    def words(labels: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits[chosen, :-1].flatten(end_dim=1), labels[chosen, 1:].flatten(), ignore_index=-100)

    def loss_of(kind, loss: str, each: torch.Tensor, labels: torch.Tensor, **settings) -> torch.Tensor:
        sides = (each[chosen], each[rejected], logits[chosen], logits[rejected], words(labels), said.uneven)
        own = trainer(**settings, **balancing(weight), concatenated_forward=lambda *_: sides)
        setattr(own, loss, partial(getattr(kind, loss), own))
        return kind.get_batch_loss_metrics(own, None, {})[0]

    simple = {"loss_type": "simpo", "simpo_gamma": GAMMA, "beta": 2.0, "label_smoothing": 0.0, "cpo_alpha": 0.0}
    plain = {"loss_type": "sigmoid", "beta": BETA, "label_smoothing": SMOOTHING, "cpo_alpha": 1.0}
    return {
        "orpo": loss_of(ORPOTrainer, "odds_ratio_loss", mean, spoken, beta=BETA),
        "simpo": loss_of(CPOTrainer, "cpo_loss", mean, inputs["labels"], **simple, alpha=0.0),
        "cpo": loss_of(CPOTrainer, "cpo_loss", total, inputs["labels"], **plain, alpha=0.0),
    }


def kto_loss(inputs: dict, said: Said, frozen: torch.Tensor, drift: tuple, weight: float = 0) -> torch.Tensor:
    from trl import KTOTrainer

    each = said.each
    blank = torch.zeros_like(each)
    seen = SimpleNamespace(
        log_probs=each, entropy=blank, mean_logits=blank, is_top1=blank.bool(), aux_loss=said.uneven
    )
    own = trainer(
        **balancing(weight),
        **{"loss_type": "kto", "calculate_KL": True, "beta": BETA},
        **{"desirable_weight": 1.0, "undesirable_weight": UNDESIRABLE},
        _compute_kl_logps=lambda *_: drift[0],
    )
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    given |= {"completion_mask": (inputs["labels"] != -100).long(), "label": inputs["desirable"]}
    return KTOTrainer._compute_loss(
        own, lambda **_: seen, given | {"ref_logps": frozen, "ref_KL_logps": drift[1]}, False
    )


def grpo_losses(
    inputs: dict, said: Said, reference: torch.Tensor, kinds: tuple = GRPO, weight: float = 0
) -> tuple[dict, dict]:
    from trl import GRPOTrainer

    each = said.each
    mask = (inputs["group_labels"][:, 1:] != -100).long()
    old = (each.detach() + inputs["drift"]) * mask
    groups = inputs["rewards"].view(2, 3)
    worth = ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()

    def loss_of(kind: str, rows: list[int]) -> torch.Tensor:
        own = trainer(
            **balancing(weight),
            **{"loss_type": kind, "beta": KL, "epsilon_low": EPSILON, "epsilon_high": EPSILON_HIGH},
            **{"max_completion_length": LONGEST, "top_entropy_quantile": 1.0, "off_policy_mask_threshold": None},
            **{"importance_sampling_level": "token", "use_vllm": False, "_entropy_bonus_enabled": False},
            args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
            current_gradient_accumulation_steps=1,
            _get_per_token_logps_and_entropies=lambda *_, **__: (each[rows], torch.zeros_like(each[rows]), said.uneven),
        )
        ids, present = inputs["group_input_ids"][rows], inputs["group_attention_mask"][rows]
        given = {"prompt_ids": ids[:, :1], "prompt_mask": present[:, :1], "completion_ids": ids[:, 1:]}
        given |= {"completion_mask": mask[rows], "advantages": worth[rows], "num_items_in_batch": mask[rows].sum()}
        given |= {"old_per_token_logps": old[rows], "ref_per_token_logps": reference[rows]}
        return GRPOTrainer._compute_loss(own, None, given)

    losses = {kind: loss_of(kind, list(range(len(mask)))) for kind in kinds}
    if "bnpo" in kinds:
        losses["bnpo_in_parts"] = sum(loss_of("bnpo", rows) for rows in PARTS) / len(PARTS)
    return losses, {"advantages": worth, "old_logps": torch.nn.functional.pad(old, (1, 0))}


def save_reference(fixture: FixtureFolder, model_class, config: dict, renaming=()) -> None:
    """A model that is not far from the fixture's own."""
    reference = build(model_class, config)
    draw(reference, fixture.seed)
    random = torch.Generator().manual_seed(fixture.seed + 1)
    with torch.no_grad():
        for _, parameter in sorted(reference.named_parameters()):
            parameter.add_(0.2 * parameter.std() * torch.randn(parameter.shape, generator=random))
    save_checkpoint(fixture, reference, read_config(fixture), renaming, folder=fixture.path / "reference")


def preference(fixture: FixtureFolder, *, config: dict) -> None:
    llama_model(fixture, config)
    save_reference(
        fixture, LlamaForCausalLM, config | {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    )

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        policy = open_model(LlamaForCausalLM, fixture, dtype)
        frozen = LlamaForCausalLM.from_pretrained(
            fixture.path / "reference", dtype=dtype, attn_implementation="eager"
        ).eval()
        parameters = dict(policy.named_parameters())
        with torch.no_grad():
            before, before_other, before_group = (
                log_probabilities(frozen, inputs, p).each for p in ("", "other_", "group_")
            )
            drifted = log_probabilities(policy, inputs, "other_").each
        said = log_probabilities(policy, inputs)
        losses, found = dpo_losses(inputs, said, before)
        losses = {f"dpo.{kind}": loss for kind, loss in losses.items()}
        losses |= reference_free_losses(inputs, said)
        losses["kto"] = kto_loss(inputs, said, before.sum(1), (drifted.sum(1), before_other.sum(1)))
        groups, more = grpo_losses(inputs, log_probabilities(policy, inputs, "group_"), before_group)
        losses |= {f"grpo.{kind}": loss for kind, loss in groups.items()}
        return found | more | slopes(losses, parameters)

    fixture.info["settings"] = SETTINGS | {"longest": LONGEST}
    fixture.note(
        "model/ holds the policy, reference/ the frozen reference; every loss is that of TRL's own function",
        "chosen and rejected are rows of input_ids; robust and cpo have the smoothing, sigmoid and the others have none",
        "other_* are the same prompts with the next row's answer; group_* two groups of three answers",
        "drift is what the policy's log-probabilities had more when the group's answers were drawn",
        "norm.<loss> is over all parameters, grad.<loss>.<parameter> of some of them; metric/* are those of DPO",
    )
    settle(fixture, inputs_of(fixture, config["vocab_size"]), compute)


def read_config(fixture: FixtureFolder) -> dict:
    return json.loads((fixture.model / "config.json").read_text(encoding="utf-8"))


def slopes(losses: dict, parameters: dict) -> dict:
    """Each loss, the norm of its gradient, and the gradients of some parameters."""
    found = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True)
        found[f"loss.{name}"] = loss.detach()
        found[f"norm.{name}"] = torch.stack([gradient.norm() for gradient in gradients]).norm()
        named = dict(zip(parameters, gradients, strict=True))
        found |= {f"grad.{name}.{shown}": named[shown] for shown in SHOWN if shown in named}
    return found
