"""AdaLoRA whose ranks are cut while it learns, by peft's own allocator."""

from dataclasses import asdict

import torch
from peft import AdaLoraConfig, PeftModel, get_peft_model
from transformers import LlamaForCausalLM

from kit.folder import FixtureFolder
from kit.numbers import settle

from .training import (
    STEP_NOTES,
    Recipe,
    adapter_key,
    llama_model,
    open_model,
    padded,
    progressions,
    save_adapter,
    train,
)


def singular_values(parameters: dict) -> torch.Tensor:
    """Of all layers, in the order of their names: [layers, rank]"""
    return torch.stack(
        [value.detach().flatten().clone() for name, value in sorted(parameters.items()) if "lora_E" in name]
    )


def rank_cuts(fixture: FixtureFolder, *, config: dict, recipe: Recipe, adalora: dict, rows: int, length: int) -> None:
    llama_model(fixture, config)
    before, after = fixture.path / "adapter-before", fixture.path / "adapter-after"
    start = get_peft_model(open_model(LlamaForCausalLM, fixture, torch.float32), AdaLoraConfig(**adalora))
    random = torch.Generator().manual_seed(fixture.seed + 1)
    with torch.no_grad():
        for name, parameter in sorted(start.named_parameters()):
            if "lora_" in name:
                scale = 0.5 if "lora_E" in name else parameter.shape["lora_A" in name] ** -0.5
                parameter.copy_(scale * torch.randn(parameter.shape, generator=random))
    save_adapter(start, before)
    ids = progressions(random, recipe.steps * rows, length, config["vocab_size"]).view(recipe.steps, rows, length)
    data = padded(ids, torch.randint(length // 2, length + 1, (recipe.steps, rows), generator=random))

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        base = open_model(LlamaForCausalLM, fixture, dtype)
        model = (
            PeftModel.from_pretrained(base, before, is_trainable=True, autocast_adapter_dtype=False).to(dtype).eval()
        )
        for name, value in model.named_parameters():
            value.requires_grad_("lora_" in name)  # in another dtype, peft's constants seem to be learnt
        parameters = {adapter_key(name): value for name, value in model.named_parameters() if value.requires_grad}
        seen = []

        def cut(step: int) -> None:
            model.base_model.update_and_allocate(step)
            seen.append(singular_values(parameters))

        def loss_of(step: int) -> torch.Tensor:
            return model(**{name: value[step] for name, value in inputs.items()}).loss

        found = train(parameters, loss_of, recipe, after=cut)
        if dtype == torch.float32:
            save_adapter(model, after)
        first = {name: value[0] for name, value in inputs.items()}
        with torch.no_grad():
            logits = model(**first).logits
        return found | {"singular_values": torch.stack(seen), "final_logits": logits}

    fixture.info["settings"] = {"train": asdict(recipe), "adalora": adalora}
    fixture.note(
        *STEP_NOTES,
        "after a step: update_and_allocate(step), steps counted from 0, with the clipped gradients still there",
        "losses have the term of orthogonality",
        "singular_values[i]: lora_E of all layers after step i, in the order of their names",
        "adapter-before and adapter-after are folders as peft writes them; what is cut is not in adapter-after",
        "final_logits: of the first batch, after the last step",
    )
    settle(fixture, data, compute)
