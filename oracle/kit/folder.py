"""A fixture folder: what it holds and how it is written."""

import importlib.metadata
import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

PACKAGES = ("torch", "transformers", "tokenizers", "diffusers", "peft", "pillow", "numpy")


def write_json(path: Path, value) -> None:
    """Indented by one, but lists of numbers, such as shapes, on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\s+(-?[\d.][^\]\"]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    path.write_text(text + "\n", encoding="utf-8")


def stored(tensors: dict) -> dict:
    """Tensors as safetensors wants them: detached, contiguous, with memory of their own."""
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}


class FixtureFolder:
    """One `<name>/` being filled.

    `inputs` and `expected` are keyed by suffix: "" for the set with loss and gradients, "2", "3" for further ones.
    """

    def __init__(self, root: Path, name: str, family: str, shows: str, seed: int):
        self.path = root / name
        self.name, self.family, self.shows, self.seed = name, family, shows, seed
        self.inputs: dict[str, dict] = {}
        self.expected: dict[str, dict] = {}
        self.texts: dict = {}
        self.info: dict = {}
        self.notes: list[str] = []
        self.defaults: dict = {}
        self.tolerance = {"forward_rel": 1e-4, "gradient_rel": 1e-3}
        if self.path.exists():
            shutil.rmtree(self.path)
        self.model.mkdir(parents=True)

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def media(self) -> Path:
        return self.path / "media"

    def note(self, *texts: str) -> None:
        self.notes += [text for text in texts if text not in self.notes]

    def left_out(self, **fields) -> None:
        """Names config fields that the checkpoint leaves out, with the value the family gives them then."""
        self.defaults |= fields

    def finish(self) -> int:
        """Writes tensors and fixture.json; returns the folder's size in bytes."""
        described = {}
        for kind, sets in (("inputs", self.inputs), ("expected", self.expected)):
            for suffix, tensors in sets.items():
                save_file(stored(tensors), self.path / f"{kind}{suffix}.safetensors")
                described[f"{kind}{suffix}"] = describe(tensors)
        if self.texts:
            write_json(self.path / "expected.json", self.texts)
        write_json(
            self.path / "fixture.json",
            {
                "name": self.name,
                "family": self.family,
                "what_it_shows": self.shows,
                "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
                "seed": self.seed,
                **self.info,
                "tensors": described,
                "tolerance": self.tolerance,
                "config_defaults": self.defaults,
                "notes": self.notes,
            },
        )
        for file in self.path.rglob("*.safetensors"):
            file.chmod(0o644)
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


def describe(tensors: dict) -> dict:
    """Name -> shape; the gradients, which mirror the parameters, as one line with their number."""
    shapes = {name: list(value.shape) for name, value in tensors.items() if not name.startswith("grad/")}
    gradients = sum(name.startswith("grad/") for name in tensors)
    return shapes | ({"grad/*": [gradients]} if gradients else {})


def relative_error(actual: torch.Tensor, wanted: torch.Tensor) -> float:
    """max |a - b| / max |b|; for whole numbers 0 when all are equal and 1 otherwise."""
    if actual.shape != wanted.shape:
        return float("inf")
    if not wanted.is_floating_point():
        return 0.0 if torch.equal(actual, wanted) else 1.0
    largest = wanted.double().abs().max().item()
    distance = (actual.double() - wanted.double()).abs().max().item()
    return distance / largest if largest else distance
