"""Seeded weights, checkpoints under published names, gradients under the same names."""

import json
import math
import re
from pathlib import Path

import torch
from safetensors.torch import save_file

from .folder import FixtureFolder, stored, write_json

NOISE = (
    "gradients of key biases in attention without rotary positions are zero in exact arithmetic, so what is stored is "
    "rounding noise: divide by max(max |b|, 1e-5 times the largest gradient of the fixture)"
)
Renaming = tuple[tuple[str, str], ...]  # (regular expression at the name's start, replacement); the first match counts


def build(model_class, config: dict):
    """The model a checkpoint with this config.json would load into: float32, eager attention, evaluation mode."""
    typed = model_class.config_class.from_dict(json.loads(json.dumps(config)))
    torch.manual_seed(0)
    return model_class._from_config(typed, attn_implementation="eager", dtype=torch.float32).eval()


def draw(model, seed: int, gains: dict[str, float] | None = None, dtype: torch.dtype | None = None) -> None:
    """Redraws every parameter, in order of name, so that none is zero or one and all of them matter.

    gains: regular expression over names -> factor on the spread. dtype: values are rounded to what such a file can hold.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        gain = math.prod(factor for pattern, factor in (gains or {}).items() if re.search(pattern, name))
        value = torch.randn(parameter.shape, generator=generator)
        is_norm = re.search(r"(?i)norm|ln_", name.rsplit(".", 2)[-2] if "." in name else name) is not None
        if parameter.ndim == 0:
            continue  # logit scale and bias keep what the family starts from
        if parameter.ndim == 1 and is_norm and name.endswith("weight"):
            value = 1 + 0.15 * value
        elif parameter.ndim == 1:
            value = 0.1 * gain * value
        elif re.search(r"embed|position|query_tokens|codebook|class_embedding|\bprobe\b", name) and not re.search(
            "proj|linear", name
        ):
            value = 0.4 * gain * value if parameter[0].ndim < 3 else gain * value / math.sqrt(parameter[0].numel())
        else:
            value = gain * value / math.sqrt(parameter[0].numel())
        with torch.no_grad():
            parameter.copy_(value if dtype is None else value.to(dtype).float())


def published(name: str, renaming: Renaming) -> str:
    """The name a parameter has in published files, from the one it has in memory."""
    for pattern, replacement in renaming:
        renamed, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            return renamed
    return name


def separate(name: str, value: torch.Tensor, renaming: Renaming) -> list[tuple[str, torch.Tensor]]:
    """What published files hold of a parameter: transformers keeps experts in one tensor, gate above up, files each matrix."""
    fused = re.fullmatch(r"(.*)\.mlp\.experts\.(gate_up_proj|down_proj)", name)
    if fused is None:
        return [(published(name, renaming), value)]
    names = ("w2",) if fused[2] == "down_proj" else ("w1", "w3")
    return [
        (f"{fused[1]}.block_sparse_moe.experts.{expert}.{one}.weight", matrix)
        for expert, matrices in enumerate(value)
        for one, matrix in zip(names, matrices.chunk(len(names)), strict=True)
    ]


def save_checkpoint(
    fixture: FixtureFolder,
    model,
    config: dict,
    renaming: Renaming = (),
    *,
    dtype=None,
    shards=1,
    extra=None,
    folder: Path | None = None,
) -> None:
    """Writes config.json and the weights, in one file or in `shards` files with an index; a tied tensor is written once."""
    folder = folder or fixture.model
    tensors = dict(part for name, value in model.named_parameters() for part in separate(name, value, renaming))
    tensors |= extra or {}
    if dtype is not None:
        tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    tensors = stored(dict(sorted(tensors.items())))
    write_json(folder / "config.json", config)
    fixture.info["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    index = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[shard::shards]  # interleaved, so that a reader that relies on order fails
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        index |= {name: file for name in part}
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": size}, "weight_map": dict(sorted(index.items()))},
    )


def gradients(fixture: FixtureFolder, model, renaming: Renaming = ()) -> dict:
    """`grad/<published name>` of every parameter the loss reached; the others are listed in fixture.json."""
    reached, missed = {}, []
    for name, parameter in sorted(model.named_parameters()):
        if parameter.grad is None:
            missed.append(published(name, renaming))
        else:
            for part, gradient in separate(name, parameter.grad, renaming):
                reached[f"grad/{part}"] = gradient.clone()
    if missed:
        fixture.info["no_gradient"] = missed
    return reached


def refuse_vanishing(tensors: dict) -> None:
    """Raises where a gradient is nothing but rounding, key biases excepted: such a fixture would test nothing there."""
    sizes = {name: value.abs().max().item() for name, value in tensors.items() if name.startswith("grad/")}
    lost = [name for name, size in sizes.items() if size < 1e-5 * max(sizes.values())]
    lost = [name for name in lost if not re.search(r"\bk(ey|_proj)\.bias$|in_proj_bias$", name)]
    if lost:
        raise RuntimeError(f"gradients vanish: {lost}")


def reload(model_class, folder: Path, allowed: frozenset | set = frozenset()):
    """Loads a written checkpoint, refusing missing, unexpected (but for `allowed`) and mismatched keys."""
    model, report = model_class.from_pretrained(
        folder, output_loading_info=True, attn_implementation="eager", dtype=torch.float32
    )
    faults = {kind: sorted(set(map(str, names)) - allowed) for kind, names in report.items() if kind.endswith("keys")}
    faults = {kind: names for kind, names in faults.items() if names}
    if faults:
        raise RuntimeError(f"{folder}: {faults}")
    return model.eval()
