"""Ids, vectors and cosines of published weights: `python oracle/real_minilm.py FOLDER`, where all-MiniLM-L6-v2 lies.

Writes test/fixtures/real-minilm: no weights, only what they give for the texts below.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertModel

from kit.folder import write_json

OUT = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "real-minilm"

SENTENCES = [
    "A woman reads a book under a tall tree.",
    "Somebody is sitting in the shade with a novel.",
    "The central bank has raised interest rates again.",
    "Zürich's trams run on time; naïve visitors don't believe it.",
    "猫は窓辺で眠っている。",
    "x",
    "It rains. " * 30,
]
# What is hard about words: accents, scripts, signs, spaces of all kinds, control characters, long words, specials.
AWKWARD = [
    "",
    " ",
    "Hello,   WORLD!!!",
    "don't can't o'clock rock'n'roll",
    "éèêë ÀÇÑ ß ŒUVRE ﬁancé ﬀ",
    "e\u0301 a\u0308 n\u0303 decomposed",
    "İstanbul ıÏ ǅ Σίσυφος ΣΑΣ",
    "Привет, мир! ёЁ йЙ",
    "שָׁלוֹם עולם",
    "مرحبًا بالعالم",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "한국어 문장입니다",
    "日本語とカタカナ、ひらがな",
    "中文没有空格𠀀𪚥",
    "tabs\tand\nlines\r\nand\u00a0hard\u2003spaces\u3000wide",
    "zero\u200bwidth\u200djoiner\ufeffmark soft\u00adhyphen",
    "control\x00\x01\x7f\x9f characters \ufffd",
    "🤖🏳️‍🌈👩‍👩‍👧 emoji",
    "$100 €5 £3 ¥7 ₿1 50% #tag @name a_b c-d e/f g\\h i|j k~l m`n",
    "“quotes” ‘single’ «guillemets» — dash – en … dots",
    "3.14159 1,000,000 1e-5 2⁵ ½ ⅓ Ⅷ ①",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "a" * 100,
    "b" * 101,
    "supercalifragilistic" * 6,
    "unaffable unbelievableness antidisestablishmentarianism",
    "[CLS] [SEP] [MASK] [PAD] [UNK] [cls] [unused5]",
    "http://example.org/path?query=1&other=%20#fragment",
    "user@example.org",
    "C++ C# .NET Node.js TypeScript",
    "ａｂｃ ＡＢＣ １２３",
    "H₂O x² CO₂ ™ ® ©",
    "ﷺ ㎏ ㍿",
    "\u2028line\u2029paragraph\u0085next",
    "word\u0300\u0301\u0302stacked",
]


def main(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = SENTENCES + AWKWARD
    ids = [tokenizer.encode(text).ids for text in texts]
    write_json(OUT / "texts.json", {"sentences": SENTENCES, "awkward": AWKWARD, "ids": ids})
    torch.set_num_threads(1)
    model = BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    rows = ids[: len(SENTENCES)]
    longest = max(map(len, rows))
    batch = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    with torch.no_grad():
        out = model(input_ids=batch, attention_mask=real)
    mask = real[..., None].float()
    pooled = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
    embeddings = torch.nn.functional.normalize(pooled, dim=1)
    found = {
        "pooled": pooled,
        "embeddings": embeddings,
        "similarities": embeddings @ embeddings.T,
        "pooler_output": out.pooler_output,
    }
    save_file({name: value.contiguous() for name, value in found.items()}, OUT / "expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
