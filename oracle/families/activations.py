"""Activations by the names that configurations have for them."""

import torch
from transformers.activations import ACT2FN

from kit.folder import FixtureFolder, stored


def activations(fixture: FixtureFolder, *, names: tuple) -> None:
    x = torch.linspace(-12, 12, 97)
    fixture.inputs[""] = {"x": x}
    fixture.expected[""] = stored({name: ACT2FN[name](x) for name in names})
    fixture.model.rmdir()
