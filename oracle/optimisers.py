"""Reference numbers of optimisers and schedules: PyTorch's and transformers' on given gradients, gradient clipping, averages.

Writes adamw.json, optimisers.json and schedules.json in test/fixtures/train. Needs torch 2.13.0, transformers 5.23.0 and
lion-pytorch 0.2.5.
"""

import json
import pathlib

import lion_pytorch
import torch
import transformers
from torch.optim.swa_utils import get_ema_multi_avg_fn

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


steps = 50
reported = [1, 2, 3, 5, 10, 20, 35, 50]
beginning = {"matrix": [6, 5], "wide": [3, 8], "vector": [7], "kernel": [2, 3, 2, 2]}


def short(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def given_gradients():
    """Ordinary ones, exact zeros, tiny ones (where eps counts) and one step without any."""
    generator = torch.Generator().manual_seed(11)
    start = {name: torch.randn(shape, generator=generator) for name, shape in beginning.items()}
    sequence = []
    for step in range(steps):
        gradients = {name: torch.randn(shape, generator=generator) for name, shape in beginning.items()}
        for value in gradients.values():
            value.view(-1)[0] = 0
            value.view(-1)[1] *= 1e-9
            value.view(-1)[2] *= 1e3 if step % 7 == 3 else 1
            if step == 20:
                value.zero_()
        sequence.append(gradients)
    return start, sequence


def groups(parameters, of=lambda name: {}):
    return [{"params": [p], **of(name)} for name, p in parameters.items()]


def torch_muon(lr, rest, **options):
    """Muon on matrices, AdamW on the rest; its iterations in float32, as everything else."""
    torch.Tensor.bfloat16 = lambda self: self.clone()

    def make(parameters):
        matrices = [p for name, p in parameters.items() if p.ndim == 2 and name != rest.get("table")]
        others = [p for p in parameters.values() if not any(p is m for m in matrices)]
        adamw = torch.optim.AdamW(others, lr=rest["lr"], betas=rest["betas"], weight_decay=rest["decay"])
        return [torch.optim.Muon(matrices, lr=lr, **options), adamw]

    return make


def of(kind, **options):
    return lambda parameters: [kind(list(parameters.values()), **options)]


def optimisers():
    """What each is called here, with its settings, and what it is there."""
    o = torch.optim
    adafactor = transformers.optimization.Adafactor
    rest = {"lr": 0.01, "betas": [0.9, 0.95], "decay": 0.2}
    special = {"vector": {"lr": 0.2}, "matrix": {"weight_decay": 0.3}}
    grouped = [{"on": ["vec*"], "lr": 0.2}, {"on": ["matrix", "vector"], "decay": 0.3}]
    return [
        ({"kind": "adamw", "lr": 0.05, "betas": [0.9, 0.98], "eps": 1e-6, "decay": 0.1}, of(o.AdamW, lr=0.05, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1)),
        ({"kind": "adamw", "lr": 0.05, "decay": 0.01, "amsgrad": True}, of(o.AdamW, lr=0.05, weight_decay=0.01, amsgrad=True)),
        ({"kind": "adamw", "lr": 0.05, "decay": 0.1, "groups": grouped}, lambda p: [o.AdamW(groups(p, lambda name: special.get(name, {})), lr=0.05, weight_decay=0.1)]),
        ({"kind": "adam", "lr": 0.05, "decay": 0.05}, of(o.Adam, lr=0.05, weight_decay=0.05)),
        ({"kind": "adam", "lr": 0.05, "amsgrad": True}, of(o.Adam, lr=0.05, amsgrad=True)),
        ({"kind": "adamax", "lr": 0.05, "decay": 0.02}, of(o.Adamax, lr=0.05, weight_decay=0.02)),
        ({"kind": "nadam", "lr": 0.05}, of(o.NAdam, lr=0.05)),
        ({"kind": "nadam", "lr": 0.02, "betas": [0.8, 0.99], "momentumDecay": 0.01, "decay": 0.02}, of(o.NAdam, lr=0.02, betas=(0.8, 0.99), momentum_decay=0.01, weight_decay=0.02)),
        ({"kind": "radam", "lr": 0.05}, of(o.RAdam, lr=0.05)),
        ({"kind": "radam", "lr": 0.05, "betas": [0.9, 0.95], "eps": 1e-6, "decay": 0.02}, of(o.RAdam, lr=0.05, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.02)),
        ({"kind": "lion", "lr": 0.01, "decay": 0.1}, of(lion_pytorch.Lion, lr=0.01, weight_decay=0.1)),
        ({"kind": "sgd", "lr": 0.05}, of(o.SGD, lr=0.05)),
        ({"kind": "sgd", "lr": 0.05, "momentum": 0.9, "dampening": 0.1, "decay": 0.01}, of(o.SGD, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01)),
        ({"kind": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True}, of(o.SGD, lr=0.05, momentum=0.9, nesterov=True)),
        ({"kind": "rmsprop", "lr": 0.01}, of(o.RMSprop, lr=0.01)),
        ({"kind": "rmsprop", "lr": 0.01, "momentum": 0.5, "centered": True, "decay": 0.01}, of(o.RMSprop, lr=0.01, momentum=0.5, centered=True, weight_decay=0.01)),
        ({"kind": "adagrad", "lr": 0.05, "rateDecay": 0.01, "decay": 0.01}, of(o.Adagrad, lr=0.05, lr_decay=0.01, weight_decay=0.01)),
        ({"kind": "adafactor", "lr": 0.05, "decay": 0.01, "form": "torch"}, of(o.Adafactor, lr=0.05, weight_decay=0.01)),
        ({"kind": "adafactor", "lr": 0.05, "decay": 0.01}, of(adafactor, lr=0.05, weight_decay=0.01, scale_parameter=False, relative_step=False)),
        ({"kind": "adafactor", "lr": 0.01, "scaled": True, "relative": True}, of(adafactor, scale_parameter=True, relative_step=True)),
        ({"kind": "adafactor", "lr": 0.05, "beta1": 0.9, "scaled": True, "decay": 0.02}, of(adafactor, lr=0.05, beta1=0.9, scale_parameter=True, relative_step=False, weight_decay=0.02)),
        ({"kind": "muon", "lr": 0.05, "decay": 0.1, "rest": rest}, torch_muon(0.05, rest, weight_decay=0.1)),
        ({"kind": "muon", "lr": 0.02, "momentum": 0.9, "nesterov": False, "adjust": "match-rms", "rest": {**rest, "on": ["wi*"]}}, torch_muon(0.02, {**rest, "table": "wide"}, momentum=0.9, nesterov=False, weight_decay=0, adjust_lr_fn="match_rms_adamw")),
    ]  # fmt: skip


def trajectories():
    start, sequence = given_gradients()
    cases = []
    for settings, make in optimisers():
        parameters = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
        averages = [value.clone() for value in start.values()]
        follow = get_ema_multi_avg_fn(0.9)
        made = make(parameters)
        values = {name: [] for name in start}
        for step, gradients in enumerate(sequence, 1):
            for name, p in parameters.items():
                p.grad = gradients[name].clone()
            for optimiser in made:
                optimiser.step()
            with torch.no_grad():
                current = [p.detach() for p in parameters.values()]
                averages = [p.clone() for p in current] if step == 1 else averages
                if step > 1:
                    follow(averages, current, step)
            if step in reported:
                for name, p in parameters.items():
                    values[name].append(short(p.detach()))
        case = {"optimizer": {**settings, "decayOn": "all", "clip": 0}, "values": values}
        if not cases:
            case["average"] = {name: short(value) for name, value in zip(start, averages)}
        cases.append(case)
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "shapes": beginning,
        "start": {name: short(value) for name, value in start.items()},
        "gradients": [{name: short(value) for name, value in gradients.items()} for gradients in sequence],
        "reported": reported,
        "cases": cases,
    }


def stepped(make, lr, count):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    result = []
    for _ in range(count):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def rates(name, lr, warmup, total, **options):
    def make(optimizer):
        return transformers.get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=options)

    return stepped(make, lr, total + 5)


def schedules():
    curves = [
        ("constant", 0, "constant_with_warmup", {}),
        ("linear", 0, "linear", {}),
        ("cosine", 0, "cosine", {}),
        ("cosine", 0.1, "cosine_with_min_lr", {"min_lr_rate": 0.1}),
        ({"kind": "cosine", "cycles": 1.25}, 0, "cosine", {"num_cycles": 1.25}),
        ({"kind": "cosine-with-restarts", "cycles": 3}, 0, "cosine_with_restarts", {"num_cycles": 3}),
        ("cosine-warmup-with-min-lr", 0.1, "cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
        ({"kind": "cosine-warmup-with-min-lr", "from": 0.05}, 0.2, "cosine_warmup_with_min_lr", {"min_lr_rate": 0.2, "warmup_lr_rate": 0.05}),
        ({"kind": "polynomial", "power": 2}, 1 / 300, "polynomial", {"power": 2.0, "lr_end": 1e-6}),
        ({"kind": "inverse-sqrt", "timescale": 20}, 0, "inverse_sqrt", {"timescale": 20}),
        ("inverse-sqrt", 0, "inverse_sqrt", {}),
        ({"kind": "warmup-stable-decay", "decay": {"steps": 8}, "shape": "cosine"}, 0.05, "warmup_stable_decay", {"num_decay_steps": 8, "min_lr_ratio": 0.05, "decay_type": "cosine"}),
        ({"kind": "warmup-stable-decay", "decay": {"steps": 6}, "warmupShape": "cosine"}, 0, "warmup_stable_decay", {"num_decay_steps": 6, "warmup_type": "cosine", "decay_type": "linear"}),
        ({"kind": "warmup-stable-decay", "decay": {"steps": 7}, "shape": "1-sqrt", "warmupShape": "1-sqrt"}, 0.1, "warmup_stable_decay", {"num_decay_steps": 7, "min_lr_ratio": 0.1, "warmup_type": "1-sqrt", "decay_type": "1-sqrt"}),
    ]  # fmt: skip
    cases = []
    for warmup, total in [(0, 8), (5, 30), (12, 12)]:
        for schedule, minimum, name, options in curves:
            # What the reference itself divides by zero for, or has no room for.
            if options.get("num_decay_steps", 0) + warmup > total or (name == "polynomial" and warmup == total):
                continue
            given = {"lr": 3e-4, "warmup": {"steps": warmup}, "schedule": schedule, "minimum": minimum}
            cases.append({"options": given, "total": total, "rates": rates(name, 3e-4, warmup, total, **options)})
    one_cycle = torch.optim.lr_scheduler.OneCycleLR
    step = torch.optim.lr_scheduler.StepLR
    by_torch = [
        ({"kind": "step", "every": 7, "factor": 0.5}, lambda o: step(o, 7, 0.5), 35),
        ("one-cycle", lambda o: one_cycle(o, 3e-4, total_steps=30), 29),
        ({"kind": "one-cycle", "rising": 0.45, "beginsAt": 10, "endsAt": 100}, lambda o: one_cycle(o, 3e-4, total_steps=30, pct_start=0.45, div_factor=10, final_div_factor=100), 29),
    ]  # fmt: skip
    for schedule, make, count in by_torch:
        cases.append({"options": {"lr": 3e-4, "schedule": schedule}, "total": 30, "rates": stepped(make, 3e-4, count)})
    return {"torch": torch.__version__, "transformers": transformers.__version__, "cases": cases}


folder.mkdir(parents=True, exist_ok=True)
for file, content in {
    "adamw.json": adamw(),
    "optimisers.json": trajectories(),
    "schedules.json": schedules(),
}.items():
    (folder / file).write_text(json.dumps(content, separators=(",", ":")) + "\n")
