"""Fixtures of language models beyond Llama and OPT, and of rotary positions."""

from . import rotary
from .entry import Entry

DECODERS = {
    "rotary": Entry("rotary", "cosines and sines of rotary positions under every scaling", 1021, rotary.rotary),
}
