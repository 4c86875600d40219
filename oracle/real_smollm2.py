"""Ids, logits, greedy answers and perplexity of published weights: `python oracle/real_smollm2.py FILE`, the Q4_1 file of
SmolLM2-135M-Instruct. Its blocks are expanded to float32, and all is computed in float32; then again with what the layers
multiply rounded to eight bits, which says how far an engine that does so may be from the former.

Writes test/fixtures/real-smollm2: no weights, only what they give for the texts below.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from kit.folder import write_json

OUT = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "real-smollm2"
TOKENS = 40  # of an answer
SCORES = 16  # greatest ones, at each of its places
END = 2  # <|im_end|>

GOODS = ["lamps", "chairs", "kettles", "blankets", "mirrors", "clocks", "ladders"]
TOWNS = ["Arden", "Bellcombe", "Corrie", "Dunmore", "Eastley"]
LEDGER = [
    f"{day} May: sold {17 * day % 31 + 2} {GOODS[day % 7]} to a shop in {TOWNS[3 * day % 5]} for {13 * day % 89 + 10} pounds"
    for day in range(1, 32)
]
PROMPTS = {
    "question": "Name three animals that live in the sea.",
    "code": "What does this print?\n```js\nconst xs = [3, 1, 2];\nxs.sort((a, b) => a - b);\nconsole.log(xs[0]);\n```",
    "languages": "Translate to English: «Il fait très beau aujourd'hui à Genève ☀️». 東京は寒いです 🥶. Und in München? 🇩🇪👨‍👩‍👧",
    "long": "These are the books of a merchant.\n" + "\n".join(LEDGER) + "\n\nWrite two sentences about what was sold.",
}
PASSAGE = """
The night train to the coast left at ten, and by half past the lights of the suburbs had thinned to a few yellow windows
among the orchards. Anna had the compartment to herself. She put her boots under the seat, folded her coat into a pillow
and opened the letter again, although she knew it by heart. Her brother wrote as he talked, without commas, and the lines
leaned uphill as if they were in a hurry to reach the end of the page.

He had bought a boat. It was not a large boat, he said, and it was not a new one, but the hull was sound and the engine
had been taken apart and put together again by a man who understood engines. There was a cabin with two bunks, a stove
that burned wood, and a shelf for books with a wooden bar across it, so that they would not fall out when the sea was
rough. He had painted the name himself, and the last letter had come out smaller than the others because there had been
less room than he thought. Nobody who saw it from the pier could tell, he said, unless they looked closely.

She looked out at the dark fields. In the glass her own face hung over them like a second moon. Eleven years ago, when
their father sold the farm, the two of them had sat on the wall by the pond and promised each other that they would live
near water one day. She had studied law instead, and moved to a city where the only river ran in a pipe under the market
hall. On some evenings, when the traffic was quiet, one could hear it through the gratings in the pavement.

The guard came and punched her ticket. He asked whether she was going on holiday, and she was surprised to hear herself
say that she did not know. He nodded as if this were the usual answer on the night train, wished her a good journey, and
turned down the lamp before he closed the door.
"""


def tokenizer_of(file: Path):
    """The file's tokenizer. What reads GGUF files overlooks that `smollm` parts digits from each other first."""
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def greedy(model, ids: list[int]) -> dict:
    """The greatest scores at each place of the answer, the chosen token first."""
    places, past, fed = [], None, torch.tensor([ids])
    while len(places) < TOKENS and not (places and places[-1].indices[0] == END):
        out = model(fed, past_key_values=past, use_cache=True)
        past = out.past_key_values
        places.append(out.logits[0, -1].topk(SCORES))
        fed = places[-1].indices[:1][None]
    return {
        "top_ids": torch.stack([place.indices for place in places]).int(),
        "top_scores": torch.stack([place.values for place in places]),
    }


def in_blocks(x: torch.Tensor) -> torch.Tensor:
    """Rounded to eight bits by 32 values."""
    blocks = x.unflatten(-1, (-1, 32))
    scale = blocks.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    return ((blocks / scale).round() * scale).flatten(-2)


def in_rows(x: torch.Tensor) -> torch.Tensor:
    """Rounded to eight bits by rows."""
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    return (x / scale).round() * scale


def rounding(model, rounded) -> list:
    """Has all products round what they multiply; the words are always read in blocks."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    return [
        layer.register_forward_pre_hook(lambda _, x, own=in_blocks if name == "lm_head" else rounded: (own(x[0]),))
        for name, layer in layers.items()
    ]


def answer_errors(model, texts: dict, found: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of the greatest scores of all answers, and the margins of the choices that come out differently."""
    errors, margins = [], []
    for name in PROMPTS:
        ids, best, scores = texts[name]["ids"], found[f"{name}.top_ids"].long(), found[f"{name}.top_scores"]
        own = model(torch.tensor([ids + best[:-1, 0].tolist()])).logits[0, len(ids) - 1 :]
        errors.append((own.gather(1, best) - scores).flatten())
        margins.append((scores[:, 0] - scores[:, 1])[own.argmax(-1) != best[:, 0]])
    return torch.cat(errors), torch.cat(margins)


def nll_of(model, ids: torch.Tensor) -> torch.Tensor:
    """Of each token but the first, given those before."""
    scores = model(ids[None]).logits[0, :-1].log_softmax(-1)
    return -scores.gather(1, ids[1:, None])[:, 0]


def measured(model, texts: dict, found: dict, ids: torch.Tensor) -> dict:
    """What rounding does to answers and perplexity."""
    errors, margins = answer_errors(model, texts, found)
    nll = nll_of(model, ids)
    return {
        "error": round(errors.square().mean().sqrt().item(), 4),
        "largest_margin": round(margins.max().item(), 4),
        "perplexity": round(nll.mean().exp().item(), 4),
    }


def main(file: Path) -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    tokenizer = tokenizer_of(file)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    passage = " ".join(PASSAGE.split())
    texts, found, rounded = {}, {}, {}
    for name, text in PROMPTS.items():
        messages = [{"role": "user", "content": text}]
        rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(rendered, add_special_tokens=False).input_ids
        own = greedy(model, ids)
        found |= {f"{name}.{key}": value for key, value in own.items()}
        texts[name] = {"text": text, "ids": ids, "answer": tokenizer.decode(own["top_ids"][:, 0])}
        margins = own["top_scores"][:, 0] - own["top_scores"][:, 1]
        print(f"{name}: {len(ids)} tokens, least margin {margins.min():.4f}: {texts[name]['answer']!r}")
    ids = torch.tensor(tokenizer(passage, add_special_tokens=False).input_ids)
    found["passage.nll"] = nll_of(model, ids)
    print(f"passage: {len(ids)} tokens, perplexity {found['passage.nll'].mean().exp():.4f}")
    hooks = rounding(model, in_blocks)
    rounded["blocks"] = measured(model, texts, found, ids)
    for hook in hooks:
        hook.remove()
    rounding(model, in_rows)
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and name != "lm_head":
            layer.weight.copy_(in_rows(layer.weight))
    rounded["rows"] = measured(model, texts, found, ids)
    print(rounded)
    passage_text = {"text": passage, "ids": ids.tolist()}
    write_json(OUT / "texts.json", {"prompts": texts, "passage": passage_text, "rounded": rounded})
    save_file({name: value.contiguous() for name, value in found.items()}, OUT / "expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
