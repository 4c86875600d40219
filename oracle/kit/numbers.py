"""Expected values of a computation, and how much of them is rounding."""

from collections.abc import Callable

import torch

from .folder import FixtureFolder, relative_error, stored

BASE = 2e-5  # tolerance of a tensor that rounds as little as most do
FACTOR = 8  # tolerance over the rounding error of the reference itself


def settle(fixture: FixtureFolder, inputs: dict, compute: Callable[[dict, torch.dtype], dict]) -> None:
    """Fills inputs and expected from compute(inputs, float32), and sets tolerances from compute(inputs, float64).

    The floor of a tensor is its relative error between the two; its tolerance is never under eight times that.
    """
    fixture.inputs[""] = stored(inputs)
    fixture.expected[""] = single = stored(compute(cast(inputs, torch.float32), torch.float32))
    double = compute(cast(inputs, torch.float64), torch.float64)
    floors = {
        name: relative_error(value, double[name].detach())
        for name, value in single.items()
        if value.is_floating_point()
    }
    wide = {name: float(f"{FACTOR * floor:.1e}") for name, floor in floors.items() if FACTOR * floor > BASE}
    fixture.tolerance = {"default": BASE, **wide}
    worst = max(floors, key=lambda name: floors[name])
    fixture.info["float32_floor"] = {"worst": float(f"{floors[worst]:.1e}"), "tensor": worst}


def cast(tensors: dict, dtype: torch.dtype) -> dict:
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
