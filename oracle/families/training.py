"""Training runs: a whole Llama, a whole T5, LLaVA's projector, LoRA on LLaVA, accumulated gradients."""

import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import (
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    T5ForConditionalGeneration,
    get_scheduler,
)

from kit.folder import FixtureFolder
from kit.numbers import settle
from kit.weights import build, draw, published, save_checkpoint

from .llava import NAMES

STEP_NOTES = (
    "a step: gradients of the mean loss, clipping by the total norm, AdamW, then the schedule",
    "clipping: times min(1, max_grad_norm / (norm + 1e-6)); grad_norms are before it",
    "lrs[i] is the rate of step i; warm-up starts at 0, so step 0 changes moments but no parameter",
    "AdamW: p *= 1 - lr * decay, then p -= lr * m_hat / (sqrt(v_hat) + eps)",
    "loss: labels shifted by one, mean over targets that are not -100 in the whole batch",
    "grad0.* are the unclipped gradients of step 0, final.* the parameters after the last step",
)


@dataclass(frozen=True)
class Recipe:
    """AdamW with clipping and a schedule of transformers' names ("linear", "cosine"; both end at 0)."""

    steps: int = 20
    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    warmup_steps: int = 3
    schedule: str = "cosine"


def train(parameters: dict[str, torch.nn.Parameter], loss_of, recipe: Recipe, after=lambda step: None) -> dict:
    """Steps with loss_of(step), and after(step) when they are done; decay on parameters of two or more dimensions only."""
    groups = [
        {"params": [p for p in parameters.values() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, foreach=False)
    schedule = get_scheduler(recipe.schedule, optimizer, recipe.warmup_steps, recipe.steps)
    losses, norms, rates, first = [], [], [], {}
    for step in range(recipe.steps):
        optimizer.zero_grad()
        loss = loss_of(step)
        loss.backward()
        if step == 0:
            first = {f"grad0.{name}": parameter.grad.clone() for name, parameter in parameters.items()}
        norms.append(torch.nn.utils.clip_grad_norm_(list(parameters.values()), recipe.max_grad_norm))
        rates.append(optimizer.param_groups[0]["lr"])
        losses.append(loss.detach())
        optimizer.step()
        after(step)
        schedule.step()
    curves = {"losses": torch.stack(losses), "grad_norms": torch.stack(norms), "lrs": torch.tensor(rates)}
    return curves | first | {f"final.{name}": parameter.detach().clone() for name, parameter in parameters.items()}


def mean_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits[:, :-1].flatten(end_dim=1), labels[:, 1:].flatten(), ignore_index=-100)


def progressions(generator: torch.Generator, rows: int, length: int, vocabulary: int) -> torch.Tensor:
    """Rows that count in steps of their own, so that there is something to learn: [rows, length], ids from 3."""
    start = torch.randint(0, vocabulary - 3, (rows, 1), generator=generator)
    stride = torch.randint(1, 5, (rows, 1), generator=generator)
    return (start + stride * torch.arange(length)) % (vocabulary - 3) + 3


def padded(ids: torch.Tensor, lengths: torch.Tensor) -> dict:
    """input_ids, attention_mask and labels of rows cut to `lengths`: mask 0 and label -100 on the right."""
    kept = torch.arange(ids.shape[-1]) < lengths[..., None]
    return {
        "input_ids": torch.where(kept, ids, torch.zeros_like(ids)),
        "attention_mask": kept.long(),
        "labels": torch.where(kept, ids, torch.full_like(ids, -100)),
    }


def llama_model(fixture: FixtureFolder, config: dict) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 32, **config}
    model = build(LlamaForCausalLM, config)
    draw(model, fixture.seed)
    save_checkpoint(fixture, model, config)
    fixture.left_out(rms_norm_eps=1e-6, rope_theta=10000.0, hidden_act="silu", attention_bias=False, mlp_bias=False)


def open_model(model_class, fixture: FixtureFolder, dtype: torch.dtype):
    return model_class.from_pretrained(fixture.model, dtype=dtype, attn_implementation="eager").eval()


def full_llama(fixture: FixtureFolder, *, config: dict, recipe: Recipe, rows: int, length: int) -> None:
    llama_model(fixture, config)
    random = torch.Generator().manual_seed(fixture.seed)
    ids = progressions(random, recipe.steps * rows, length, config["vocab_size"]).view(recipe.steps, rows, length)
    data = padded(ids, torch.randint(length // 2, length + 1, (recipe.steps, rows), generator=random))

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        model = open_model(LlamaForCausalLM, fixture, dtype)

        def loss_of(step: int) -> torch.Tensor:
            given = {name: inputs[name][step] for name in ("input_ids", "attention_mask")}
            return mean_loss(model(**given).logits, inputs["labels"][step])

        return train(dict(model.named_parameters()), loss_of, recipe)

    fixture.info["settings"] = {"train": asdict(recipe), "decay": "parameters of two or more dimensions"}
    fixture.note(*STEP_NOTES, "input_ids[i], attention_mask[i] and labels[i] are the batch of step i")
    settle(fixture, data, compute)


def full_t5(fixture: FixtureFolder, *, config: dict, recipe: Recipe, rows: int, length: int) -> None:
    """It reads rows that count, some of them shorter, and learns to write the first half of them backwards."""
    config = {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "decoder_start_token_id": 0,
        **config,
    }
    model = build(T5ForConditionalGeneration, config)
    draw(model, fixture.seed)
    save_checkpoint(fixture, model, config)
    random = torch.Generator().manual_seed(fixture.seed)
    ids = progressions(random, recipe.steps * rows, length, config["vocab_size"]).view(recipe.steps, rows, length)
    data = padded(ids, torch.randint(length // 2, length + 1, (recipe.steps, rows), generator=random))
    data["labels"] = ids[..., : length // 2].flip(-1)
    data["labels"][:, 0, -2:] = -100

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        model = open_model(T5ForConditionalGeneration, fixture, dtype)
        return train(
            dict(model.named_parameters()),
            lambda step: model(**{name: x[step] for name, x in inputs.items()}).loss,
            recipe,
        )

    fixture.info["settings"] = {"train": asdict(recipe), "decay": "parameters of two or more dimensions"}
    shift = "loss: labels stand at their own place, and the decoder sees them one place to the right behind token 0"
    fixture.note(*(note for note in STEP_NOTES if not note.startswith("loss:")), shift)
    fixture.note("input_ids[i], attention_mask[i] and labels[i] are the batch of step i")
    settle(fixture, data, compute)


def accumulation(
    fixture: FixtureFolder, *, config: dict, lr: float, steps: int, micro: int, max_grad_norm: float
) -> None:
    rows, length = 2, 9
    llama_model(fixture, config)
    random = torch.Generator().manual_seed(fixture.seed)
    ids = progressions(random, steps * micro * rows, length, config["vocab_size"]).view(steps, micro, rows, length)
    data = padded(ids, torch.randint(3, length + 1, (steps, micro, rows), generator=random))
    data["labels"][:, ::2, :, :3] = -100  # prompts without targets, in every other micro-batch

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        model = open_model(LlamaForCausalLM, fixture, dtype)
        parameters = dict(model.named_parameters())
        optimizer = torch.optim.SGD(parameters.values(), lr=lr, foreach=False)
        found = {}
        for step in range(steps):
            optimizer.zero_grad()
            labels = inputs["labels"][step]
            counts = (labels[..., 1:] != -100).sum(dim=(1, 2))
            losses = []
            for index in range(micro):
                given = {name: inputs[name][step, index] for name in ("input_ids", "attention_mask")}
                mean = mean_loss(model(**given).logits, labels[index])
                losses.append(mean * counts[index] / counts.sum())
                losses[-1].backward()
            if step == 0:
                found |= {f"grad0.{name}": parameter.grad.clone() for name, parameter in parameters.items()}
            parts = torch.stack(losses).detach()
            found |= {
                f"loss.{step}": parts,
                f"total.{step}": parts.sum(),
                f"naive.{step}": (parts * counts.sum() / counts).mean(),
                f"targets.{step}": counts.sum(),
                f"grad_norm.{step}": torch.nn.utils.clip_grad_norm_(list(parameters.values()), max_grad_norm),
            }
            optimizer.step()
        return found | {f"final.{name}": parameter.detach() for name, parameter in parameters.items()}

    fixture.info["settings"] = {
        "lr": lr,
        "steps": steps,
        "micro": micro,
        "max_grad_norm": max_grad_norm,
        "optimiser": "SGD without momentum",
    }
    fixture.note(
        "loss.<step>[i]: sum of the token losses of micro-batch i over the number of targets of the whole step; "
        "total.<step> is their sum, the loss of the step",
        "targets.<step>: labels that are not -100 at positions 1.., of all micro-batches",
        "naive.<step> is the mean of the micro-batches' means: different on purpose, not to be produced",
        "gradients are summed over the micro-batches, then clipped once (grad_norm.<step> before), then one step",
    )
    settle(fixture, data, compute)


def llava_model(fixture: FixtureFolder, text: dict, vision: dict) -> None:
    """A LLaVA whose last three ids are: image token, padding, nothing."""
    vocabulary = text["vocab_size"]
    config = {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "image_token_index": vocabulary - 3,
        "pad_token_id": vocabulary - 2,
        "image_seq_length": (vision["image_size"] // vision["patch_size"]) ** 2,
        "text_config": {"model_type": "llama", "max_position_embeddings": 64, **text},
        "vision_config": {"model_type": "clip_vision_model", **vision},
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
    }
    model = build(LlavaForConditionalGeneration, config)
    draw(model, fixture.seed)
    save_checkpoint(fixture, model, config, NAMES["published"])
    fixture.left_out(
        **{
            "projector_hidden_act": "gelu",
            "multimodal_projector_bias": True,
            "text_config.rms_norm_eps": 1e-6,
            "text_config.rope_theta": 10000.0,
            "vision_config.hidden_act": "quick_gelu",
            "vision_config.layer_norm_eps": 1e-5,
        }
    )


def llava_data(fixture: FixtureFolder, text: dict, vision: dict, steps: int) -> dict:
    """Six samples of begin, picture, question, answer, end, and which two make up each step."""
    random = torch.Generator().manual_seed(fixture.seed)
    samples, patches = 6, (vision["image_size"] // vision["patch_size"]) ** 2
    image, pad, length = text["vocab_size"] - 3, text["vocab_size"] - 2, patches + 11
    ids = torch.full((samples, length), pad)
    labels = torch.full((samples, length), -100)
    for row in range(samples):
        words = progressions(random, 1, 5 + row % 4, text["vocab_size"] - 3)[0]
        ids[row, : 1 + patches] = torch.tensor([1] + [image] * patches)
        ids[row, 1 + patches : 1 + patches + len(words)] = words
        end = 1 + patches + len(words)
        ids[row, end] = 2
        labels[row, end - len(words) + 3 : end + 1] = ids[row, end - len(words) + 3 : end + 1]
    side = vision["image_size"]
    return {
        "input_ids": ids,
        "attention_mask": (ids != pad).long(),
        "labels": labels,
        "pixel_values": torch.randn(samples, 3, side, side, generator=random),
        "order": torch.stack([torch.randperm(samples, generator=random)[:2] for _ in range(steps)]),
    }


def llava_logits(model, inputs: dict, rows) -> torch.Tensor:
    given = {name: inputs[name][rows] for name in ("input_ids", "attention_mask", "pixel_values")}
    return model(**given).logits


LLAVA_NOTES = (
    "order[i] lists the samples of step i; id 1 begins, id 2 ends a sequence and is a target",
    "labels are -100 on the begin token, the picture, the question and the padding",
)


def llava_align(fixture: FixtureFolder, *, text: dict, vision: dict, recipe: Recipe) -> None:
    llava_model(fixture, text, vision)

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        model = open_model(LlavaForConditionalGeneration, fixture, dtype).requires_grad_(False)
        projector = model.model.multi_modal_projector.requires_grad_(True)
        parameters = {f"multi_modal_projector.{name}": value for name, value in projector.named_parameters()}

        def loss_of(step: int) -> torch.Tensor:
            rows = inputs["order"][step]
            return mean_loss(llava_logits(model, inputs, rows), inputs["labels"][rows])

        found = train(parameters, loss_of, recipe)
        return found | {"final_logits": llava_logits(model, inputs, slice(0, 2)).detach()}

    fixture.info["settings"] = {"train": asdict(recipe), "trainable": "multi_modal_projector"}
    fixture.note(*STEP_NOTES, *LLAVA_NOTES, "final_logits are those of the first two samples after the last step")
    settle(fixture, llava_data(fixture, text, vision, recipe.steps), compute)


def adapter_key(name: str) -> str:
    """The key peft gives a parameter in a file."""
    return name.replace(".default", "").replace(".modules_to_save", "")


def old_key(key: str) -> str:
    """The key in adapters of LLaVA from before transformers moved the language model under `model`."""
    key = key.replace("base_model.model.model.language_model.", "base_model.model.language_model.model.")
    return key.replace("base_model.model.model.multi_modal", "base_model.model.multi_modal")


def save_drawn_lora(model_class: type, fixture: FixtureFolder, lora: dict, folder: Path) -> torch.Generator:
    """Draws and saves an adapter; whoever draws more goes on with the generator."""
    start = get_peft_model(open_model(model_class, fixture, torch.float32), LoraConfig(**lora))
    random = torch.Generator().manual_seed(fixture.seed + 1)
    with torch.no_grad():
        for name, parameter in sorted(start.named_parameters()):
            if "lora_" in name:  # lora_B too: a zero there would hide lora_A from the first gradients
                parameter.copy_(torch.randn(parameter.shape, generator=random) / parameter.shape[1] ** 0.5 / 2)
    save_adapter(start, folder)
    return random


def llava_lora(fixture: FixtureFolder, *, text: dict, vision: dict, recipe: Recipe, lora: dict) -> None:
    llava_model(fixture, text, vision)
    before, after = fixture.path / "adapter-before", fixture.path / "adapter-after"
    save_drawn_lora(LlavaForConditionalGeneration, fixture, lora, before)
    old = fixture.path / "adapter-before-oldnames"
    shutil.copytree(before, old)
    tensors = load_file(before / "adapter_model.safetensors")
    renamed = {old_key(key): value for key, value in tensors.items()}
    save_file(renamed, old / "adapter_model.safetensors", metadata={"format": "pt"})

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        base = open_model(LlavaForConditionalGeneration, fixture, dtype)
        model = (
            PeftModel.from_pretrained(base, before, is_trainable=True, autocast_adapter_dtype=False).to(dtype).eval()
        )
        parameters = {adapter_key(name): value for name, value in model.named_parameters() if value.requires_grad}
        two = slice(0, 2)

        def loss_of(step: int) -> torch.Tensor:
            rows = inputs["order"][step]
            return mean_loss(llava_logits(model, inputs, rows), inputs["labels"][rows])

        found = {"logits_before": llava_logits(model, inputs, two).detach()}
        with model.disable_adapter():
            found["logits_base"] = llava_logits(model, inputs, two).detach()
        found |= train(parameters, loss_of, recipe)
        found["logits_after"] = llava_logits(model, inputs, two).detach()
        if dtype == torch.float32:
            save_adapter(model, after)
        merged = model.merge_and_unload()
        found["logits_merged"] = llava_logits(merged, inputs, two).detach()
        adapted = re.compile(lora["target_modules"] + r"\.weight")
        return found | {
            f"merged.{published(name, NAMES['published'])}": value.detach()
            for name, value in merged.named_parameters()
            if adapted.fullmatch(name) and "layers.0." in name
        }

    fixture.texts["adapter_keys"] = sorted(tensors)
    fixture.info["settings"] = {"train": asdict(recipe), "lora": lora}
    fixture.note(
        *STEP_NOTES,
        *LLAVA_NOTES,
        "adapter-before and adapter-after are folders as peft writes them; training starts from adapter-before, "
        "whose lora_B is not zero; adapter-before-oldnames has its tensors under the older keys",
        "y = W x + lora_alpha / r * B (A x); trainable: A, B and the projector's copy (modules_to_save)",
        "target_modules is a regular expression that the whole module name must match",
        "logits_* are of the first two samples: base (no adapter, projector of the checkpoint), before, after, merged",
    )
    settle(fixture, llava_data(fixture, text, vision, recipe.steps), compute)


def save_adapter(model, folder) -> None:
    model.peft_config["default"].base_model_name_or_path = "model"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
