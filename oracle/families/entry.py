"""What the tables of fixtures consist of."""

from collections.abc import Callable
from dataclasses import dataclass

from kit.folder import FixtureFolder


@dataclass(frozen=True)
class Entry:
    family: str
    shows: str
    seed: int
    make: Callable[[FixtureFolder], None]


def layers(width: int, mlp: int, heads: int, count: int, **fields) -> dict:
    """The sizes of a transformer as most configs name them."""
    sizes = {"hidden_size": width, "intermediate_size": mlp, "num_attention_heads": heads, "num_hidden_layers": count}
    return sizes | fields
