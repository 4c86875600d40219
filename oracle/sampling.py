"""Scores of next tokens as transformers' processors leave them, and greedy answers under them.

Writes test/fixtures/sampling/processors.json. Needs torch 2.13.0 and transformers 5.23.0; reads test/fixtures/llama.
"""

import json
import pathlib

import torch
from safetensors.torch import load_file
from transformers import GenerationConfig, LlamaForCausalLM

fixtures = pathlib.Path(__file__).parent.parent / "test" / "fixtures"

SETTINGS = [
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"no_repeat_ngram_size": 4},
    {"repetition_penalty": 1.5},
    {"sequence_bias": [[[1], 2.5], [[7], -100.0]]},
    {"sequence_bias": [[[1], 2.5], [[7], -1.25]], "repetition_penalty": 1.5, "no_repeat_ngram_size": 2},
]
VOCABULARY = 8


def model():
    return LlamaForCausalLM.from_pretrained(fixtures / "llama" / "model", attn_implementation="eager")


def scored(processors, ids, scores):
    """What is left of scores behind ids; null for minus infinity."""
    left = processors(torch.tensor([ids]), scores.clone()[None])[0]
    return [None if value == float("-inf") else value for value in left.tolist()]


def steps(llama, settings, generator):
    """The processors in the order in which `generate` has them, over a text that grows token by token."""
    prompt, answer = ([int(id) for id in torch.randint(0, 4, (length,), generator=generator)] for length in (9, 40))
    prompt[4] = 99  # has no score
    processors = llama._get_logits_processor(GenerationConfig(**settings), input_ids_seq_length=len(prompt))
    scores = torch.randn(VOCABULARY, generator=generator)
    left = [scored(processors, prompt + answer[:count], scores) for count in range(len(answer) + 1)]
    return {"prompt": prompt, "answer": answer, "scores": scores.tolist(), "left": left}


def greedy(llama, settings):
    """An answer to the fixture's first prompt, whose choices all have a margin."""
    inputs = load_file(fixtures / "llama" / "inputs.safetensors")
    ids = inputs["input_ids"][:1][:, inputs["attention_mask"][0].bool()]
    given = llama.generate(
        ids, max_new_tokens=40, do_sample=False, eos_token_id=None, output_scores=True, return_dict_in_generate=True, **settings
    )
    best = torch.cat(given.scores).topk(2).values
    margin = float((best[:, 0] - best[:, 1]).min())
    assert margin > 1e-3, f"{settings}: margin {margin}"
    return {"prompt": ids[0].tolist(), "ids": given.sequences[0, ids.shape[1] :].tolist()}


def main():
    generator = torch.Generator().manual_seed(23)
    llama = model()
    found = [
        {"settings": settings, "steps": steps(llama, settings, generator), "greedy": greedy(llama, settings)}
        for settings in SETTINGS
    ]
    (fixtures / "sampling").mkdir(exist_ok=True)
    (fixtures / "sampling" / "processors.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


main()
