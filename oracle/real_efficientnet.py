"""What EfficientNet-Lite0 gives for some pictures: `python oracle/real_efficientnet.py FOLDER`, where its .pth lies.

Writes test/fixtures/real-efficientnet-lite0 (no weights, only what they give), and test/fixtures/checkpoint/torch*.pth:
small files in both of PyTorch's forms.
"""

import math
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
STAGES = [(1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1)]


def pictures(count: int, size: int) -> torch.Tensor:
    """Waves of colour with a disc on them, as uint8 [count, size, size, 3]: made, so that nothing need be shipped."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    made = []
    for i in range(count):
        waves = [torch.sin(rows / (5 + 3 * i + c)) * torch.cos(columns / (7 + 2 * i + 2 * c)) for c in range(3)]
        image = torch.stack(waves, -1) * 100 + 128
        disc = (rows - 90 - 20 * i) ** 2 + (columns - 120) ** 2 < (30 + 15 * i) ** 2
        image[disc] = torch.tensor([230.0, 40.0 + 60 * i, 20.0])
        made.append(image.clamp(0, 255).round().to(torch.uint8))
    return torch.stack(made)


def padded(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's SAME: output of ceil(size / stride), what is odd behind."""
    total = [max(0, (math.ceil(s / stride) - 1) * stride + kernel - s) for s in x.shape[2:]]
    (top, left) = [t // 2 for t in total]
    return F.pad(x, (left, total[1] - left, top, total[0] - top))


def forward(w: dict[str, torch.Tensor], x: torch.Tensor) -> dict[str, torch.Tensor]:
    def step(conv: str, norm: str, x, stride=1, groups=1, active=True):
        weight = w[f"{conv}.weight"]
        y = F.conv2d(padded(x, weight.shape[2], stride), weight, stride=stride, groups=groups)
        stats = [w[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        y = F.batch_norm(y, *stats, eps=1e-3)
        return F.relu6(y) if active else y

    given = {}
    x = step("_conv_stem", "_bn0", x, stride=2)
    number = 0
    for repeats, _, first_stride in STAGES:
        for repeat in range(repeats):
            at = f"_blocks.{number}."
            stride = first_stride if repeat == 0 else 1
            inside = step(at + "_expand_conv", at + "_bn0", x) if at + "_expand_conv.weight" in w else x
            inside = step(at + "_depthwise_conv", at + "_bn1", inside, stride, inside.shape[1])
            y = step(at + "_project_conv", at + "_bn2", inside, active=False)
            x = x + y if stride == 1 and x.shape == y.shape else y
            given[f"hidden_states/{number}"] = x
            number += 1
    grid = step("_conv_head", "_bn1", x)
    pooled = grid.mean((2, 3))
    return given | {"last_hidden": grid, "pooled": pooled, "logits": F.linear(pooled, w["_fc.weight"], w["_fc.bias"])}


def checkpoint_files() -> None:
    """A state dict with every element type, a tensor in another order, and one that shares another's storage."""
    torch.manual_seed(3)
    table = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tensors = OrderedDict(
        [
            ("a.weight", torch.randn(2, 3)),
            ("turned.weight", table.t()),
            ("part.weight", table[1:]),
            ("half", torch.tensor([0.5, -2.0], dtype=torch.float16)),
            ("brain", torch.tensor([0.5, -2.0], dtype=torch.bfloat16)),
            ("double", torch.tensor([1 / 3], dtype=torch.float64)),
            ("count", torch.tensor(7)),
            ("bytes", torch.tensor([1, 255], dtype=torch.uint8)),
            ("flags", torch.tensor([True, False])),
        ]
    )
    folder = FIXTURES / "checkpoint"
    torch.save(tensors, folder / "torch.pth")
    torch.save({"epoch": 3, "state_dict": tensors, "optimizer": {"lr": 0.1, "betas": (0.9, 0.999)}}, folder / "torch-wrapped.pth")
    torch.save(tensors, folder / "torch-legacy.pth", _use_new_zipfile_serialization=False)
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, folder / "torch.safetensors")


def main() -> None:
    (file,) = Path(sys.argv[1]).glob("*.pth")
    weights = torch.load(file, weights_only=True)
    shown = pictures(2, 224)
    with torch.no_grad():
        given = forward(weights, (shown.permute(0, 3, 1, 2).float() - 127) / 128)
    # Of grids, a few channels of the first picture.
    kept = {name: (value if value.dim() == 2 else value[:1, :2]).contiguous() for name, value in given.items()}
    out = FIXTURES / "real-efficientnet-lite0"
    out.mkdir(parents=True, exist_ok=True)
    save_file({"pictures": shown}, out / "inputs.safetensors")
    save_file(kept, out / "expected.safetensors")
    checkpoint_files()


main()
