"""Reference numbers of the optimiser: PyTorch's AdamW and gradient clipping on given gradients, transformers' schedulers.

Writes test/fixtures/train/adamw.json and schedules.json. Needs torch 2.13.0 and transformers 5.23.0.
"""

import json
import pathlib

import torch
import transformers

folder = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "train"


def numbers(tensor):
    return [float(x) for x in tensor.flatten()]


def adamw():
    generator = torch.Generator().manual_seed(7)
    shapes = {"matrix": [6, 5], "bias": [7], "scaled": [3, 2, 2]}
    start = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    settings = {"betas": [0.9, 0.98], "eps": 1e-6, "decay": 0.1}
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
    # The tensor `scaled` learns at half the rate; decay is on tensors of two or more dimensions.
    multipliers = {"matrix": 1.0, "bias": 1.0, "scaled": 0.5}
    groups = [{"params": [p], "weight_decay": settings["decay"] if p.ndim >= 2 else 0.0} for p in parameters.values()]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=tuple(settings["betas"]), eps=settings["eps"], foreach=False)
    steps = []
    for step in range(12):
        rate = 0.05 * min(1.0, step / 3)  # the first step has rate 0, as with warm-up
        gradients = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        if step == 4:
            gradients = {name: torch.zeros(shape) for name, shape in shapes.items()}
        for value in gradients.values():
            value.view(-1)[0] = 0  # never a gradient
            value.view(-1)[1] *= 1e-9  # far below eps
            value.view(-1)[2] *= 1e4
        for (name, p), group in zip(parameters.items(), optimizer.param_groups):
            group["lr"] = rate * multipliers[name]
            p.grad = gradients[name].clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), 10.0)
        optimizer.step()
        steps.append(
            {
                "rate": rate,
                "gradients": {name: numbers(value) for name, value in gradients.items()},
                "norm": float(norm),
                "values": {name: numbers(value.detach()) for name, value in parameters.items()},
            }
        )
    tensors = [
        {
            "name": name,
            "shape": shape,
            "decay": len(shape) >= 2,
            "rate": multipliers[name],
            "values": numbers(start[name]),
        }
        for name, shape in shapes.items()
    ]
    return {"torch": torch.__version__, "settings": settings, "clip": 10.0, "tensors": tensors, "steps": steps}


def rates(name, lr, warmup, total, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = transformers.get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=options)
    result = []
    for _ in range(total + 5):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def schedules():
    cases = []
    for warmup, total in [(0, 8), (5, 30), (12, 12)]:
        for schedule, name, options in [
            ("constant", "constant_with_warmup", {}),
            ("linear", "linear", {}),
            ("cosine", "cosine", {}),
            ("cosine", "cosine_with_min_lr", {"min_lr_rate": 0.1}),
        ]:
            minimum = options.get("min_lr_rate", 0)
            given = {"lr": 3e-4, "warmup": {"steps": warmup}, "schedule": schedule, "minimum": minimum}
            cases.append({"options": given, "total": total, "rates": rates(name, 3e-4, warmup, total, **options)})
    return {"transformers": transformers.__version__, "cases": cases}


folder.mkdir(parents=True, exist_ok=True)
for file, content in {"adamw.json": adamw(), "schedules.json": schedules()}.items():
    (folder / file).write_text(json.dumps(content) + "\n")
