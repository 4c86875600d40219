"""Diffusion schedulers without a network: timesteps, sigmas and latents for predictions that are given."""

from collections.abc import Callable

import diffusers
import torch

from kit.folder import FixtureFolder, stored

SCALED_LINEAR = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def make_scheduler(settings: dict):
    """settings: {"class": name in diffusers, **config}."""
    config = {name: value for name, value in settings.items() if name != "class"}
    return getattr(diffusers, settings["class"])(**config)


def trajectory(
    scheduler, steps: int, noise: torch.Tensor, predict: Callable, *, seed: int, call: dict | None = None
) -> torch.Tensor:
    """Latents after each call [calls, ...]: scale, predict(call index, timestep, scaled), step in float32.

    call: further arguments of step, such as eta. Noise comes from a generator with `seed`.
    """
    generator = torch.Generator().manual_seed(seed)
    scheduler.set_timesteps(steps)
    x = noise.float() * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") else noise.float()
    draws = "generator" in scheduler.step.__code__.co_varnames
    given = (call or {}) | ({"generator": generator} if draws else {})
    visited = []
    for index, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, timestep) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(predict(index, timestep, scaled).float(), timestep, x, **given).prev_sample
        visited.append(x)
    return torch.stack(visited)


def schedulers(fixture: FixtureFolder, *, table: dict, steps: int) -> None:
    """table: name -> {"class", **config, "call": {...}}, where call holds further arguments of step."""
    shape, calls = (1, 2, 3, 3), 2 * steps + 1
    random = torch.Generator().manual_seed(fixture.seed)
    noise = torch.randn(shape, generator=random)
    predictions = torch.randn(calls, *shape, generator=random)
    generator = torch.Generator().manual_seed(fixture.seed + 1)
    noises = torch.stack([torch.randn(shape, generator=generator) for _ in range(calls)])
    found = {}
    for name, settings in table.items():
        scheduler = make_scheduler({key: value for key, value in settings.items() if key != "call"})
        found[f"latents.{name}"] = trajectory(
            scheduler,
            steps,
            noise,
            lambda index, _, scaled: predictions[index] + scaled / 2,
            seed=fixture.seed + 1,
            call=settings.get("call"),
        )
        found[f"timesteps.{name}"] = scheduler.timesteps.float()
        if hasattr(scheduler, "sigmas"):
            found[f"sigmas.{name}"] = scheduler.sigmas.float()
        if name.startswith("dd"):
            found[f"alphas_cumprod.{name}"] = scheduler.alphas_cumprod[:: max(1, len(scheduler.alphas_cumprod) // 20)]
    fixture.inputs[""] = stored({"noise": noise, "noises": noises, "predictions": predictions})
    fixture.expected[""] = stored(found)
    fixture.tolerance = {"default": 2e-5}
    fixture.info["settings"] = {"steps": steps, "schedulers": table}
    fixture.note(
        "the prediction of call i is predictions[i] + model_input / 2, model_input being after scale_model_input",
        "x starts as noise * init_noise_sigma; noises[i] is the i-th noise that a scheduler draws",
        "latents.<name>[i] is after call i; Heun and PNDM call more often than they have steps",
        "alphas_cumprod.<name> holds every len / 20-th value; sigmas include the last one, which the scheduler appends",
        "leading: arange(steps) * (train // steps) reversed + steps_offset; trailing: round(arange(train, 0, -train / steps)) - 1; "
        "linspace: linspace(0, train - 1, steps) reversed, rounded but in Euler's classes",
    )
