"""Tiny tokenizers of every style that is read, learnt from the sentences below, with their ids and texts for odd strings.

Writes test/fixtures/text/tokenizers.json. Run by oracle/text.py.
"""

import json
import random
import struct

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "The quick brown fox jumps over the lazy dog. It's the dog's day, isn't it?",
    "def add(a, b):\n    return a + b  # the sum of 12 and 3456\n\n\tprint(add(1, 2))",
    "Grüße aus Köln! Où est le café? El niño come piñas; İstanbul'da ığdır.",
    "你好，世界！我是一只猫。こんにちは世界。안녕하세요.",
    "Привет, мир! مرحبا بالعالم नमस्ते दुनिया ไทย",
    "The picture shows a red ball and the blue house in the picture. The THE thE",
    "In 2024 there were 1234567 people, 3.14 is pi, and 50% of $100 is $50.",
    "😀 👍🏽 👨‍👩‍👧 emoji are fun 🎉🎉",
]

TEXTS = [
    "",
    " ",
    "a",
    "Hello world!",
    " leading and trailing ",
    "two  spaces   three    four",
    "\n\n\nlines\n \n\r\n\ttabs\t\t",
    "It's we've I'll he'd 'S 'LL ’s can't don't x'y",
    "1 22 333 4444 55555 1,234.56 ３４ ² ½ Ⅷ ٣٤",
    "def f(x):\n        return x**2  # 10\n",
    "cafe\u0301 A\u030a \u0301start e\u0301\u0323 ﬁ ﬂ ﷺ ㌔ Å",
    "Σίσυφος ΟΔΥΣΣΕΥΣ ΑΣ İI ıi ß ẞ ǅ ſ 'ſ K",
    "你好世界 こんにちは 안녕 中a文1字",
    "مرحبا بالعالم שלום नमस्ते ไทยภาษา",
    "😀👍🏽👨‍👩‍👧‍👦🏳️‍🌈🇩🇪 x🎉y",
    "\u0000\u0001\u0007\u001b\u007f\u0080\u0085\u009f\u00ad",
    "nul\u0000in zero\u200bwidth\u200d\ufeffbom \ufffd \uffff \U0010ffff \ue000",
    "nb\u00a0sp\u3000wide\u2028line\u2029par\u1680og\u202fna\u180e",
    "<s>one</s> <unk><pad><mask> two <image><image> three",
    " <image> \n<image>x <IMAGE> < image > <mask>ed un<mask> <mask>",
    "▁under ▁▁bar_ Ġġ <0x0A><0xFF> ##x [CLS]",
    "(a)[b]{c}<d>|e|^f^~g~`h`\\i/j-k_l+m=n@o#p$q%r&s*t!u?v;w:x.y,z",
    "x" * 120 + " " + "ab" * 20 + " " + "9" * 40 + "-" * 30 + " " * 40,
    "the the The THE quick quicker quickest unquick",
    "do not . ? ! , ' n't 'm 's 've 're end",
    "𝓗𝓮𝓵𝓵𝓸 𝕏 𐍈 𠀀",
    "http://example.com/?q=a%20b&c=d#e",
    "special added words: NewWord newword NewWords preNewWord  NewWord.",
]

DIGITS3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DIGITS1 = DIGITS3.replace("{1,3}", "")
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
GROUPS = r"(?=(\d{3})+(?!\d))"
BEHIND = r"(?<=[a-z])(?=[A-Z])|(?<!\s)_+(?!\s)|[[:punct:]&&[^_]]|\b\d+\b"


def charsmap(pairs):
    """A SentencePiece character map: a double-array trie from UTF-8 to offsets of NUL-ended replacements (Darts layout)."""
    blob, offsets = b"", {}
    for key, value in sorted(pairs.items()):
        offsets[key.encode()] = len(blob)
        blob += value.encode() + b"\0"
    children = {b"": set()}
    for key in offsets:
        for i in range(len(key)):
            children.setdefault(key[:i], set()).add(key[i])
            children.setdefault(key[: i + 1], set())
    units, used = {0: 0}, {0}

    def place(prefix, at):
        labels = sorted(children[prefix]) + ([0] if prefix in offsets else [])
        if not labels:
            return
        # Relative offsets below 2^21 stand in bits 10 and up.
        base = next(b for b in range(256, 1 << 20) if all((at ^ b ^ label) not in used for label in labels))
        units[at] |= base << 10
        for label in labels:
            used.add(at ^ base ^ label)
        if prefix in offsets:
            units[at] |= 1 << 8
            units[at ^ base] = offsets[prefix] | 1 << 31
        for label in sorted(children[prefix]):
            child = at ^ base ^ label
            units[child] = label
            place(prefix + bytes([label]), child)

    place(b"", 0)
    size = max(units) + 256
    trie = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(size))
    return struct.pack("<I", len(trie)) + trie + blob


def bpe(vocab=260, alphabet=True, special=("<s>", "</s>", "<unk>", "<pad>"), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    initial = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    return tokenizer, trainers.BpeTrainer(
        vocab_size=vocab, show_progress=False, special_tokens=list(special), initial_alphabet=initial
    )


def learn(tokenizer, trainer):
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(pattern, normalizer=None, ignore_merges=False):
    tokenizer, trainer = bpe(310, ignore_merges=ignore_merges)
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split(pattern), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    learn(tokenizer, trainer)
    tokenizer.add_special_tokens(["<image>"])
    return tokenizer


def gpt2():
    tokenizer, trainer = bpe(310)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    learn(tokenizer, trainer)
    tokenizer.add_special_tokens(["<image>"])
    tokenizer.add_tokens(
        [AddedToken("NewWord", single_word=True), AddedToken("<mask>", lstrip=True), AddedToken("  ", normalized=False)]
    )
    return tokenizer


def roberta():
    tokenizer, trainer = bpe(300)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    learn(tokenizer, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    tokenizer.add_special_tokens(
        [AddedToken("<mask>", lstrip=True, special=True), AddedToken("<image>", rstrip=True, special=True)]
    )
    return tokenizer


def llama2(legacy=True):
    tokenizer, trainer = bpe(
        230,
        alphabet=False,
        special=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)],
        byte_fallback=True,
        unk_token="<unk>",
        fuse_unk=True,
    )
    trainer.vocab_size = 420
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    learn(tokenizer, trainer)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    if not legacy:
        tokenizer.normalizer = None
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    # As published: the trained specials of bytes are no added tokens.
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    if legacy:
        data["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens(["<image>", "<pad>"])
    return tokenizer


def unigram(normalizer, metaspace, byte_fallback=False):
    trainer = trainers.UnigramTrainer(
        vocab_size=160, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = metaspace
    learn(tokenizer, trainer)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.add_tokens([AddedToken("<image>", lstrip=True, rstrip=True)])
    if byte_fallback:
        data = json.loads(tokenizer.to_str())
        model = data["model"]
        model["vocab"] += [[f"<0x{b:02X}>", -20.0] for b in range(256)]
        model["byte_fallback"] = True
        data["added_tokens"] = [
            {**t, "id": len(model["vocab"]) if t["content"] == "<image>" else t["id"]} for t in data["added_tokens"]
        ]
        data["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, data["decoder"]]}
        tokenizer = Tokenizer.from_str(json.dumps(data))
    return tokenizer


def bert(lowercase, strip_accents=None):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300,
        show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        continuing_subword_prefix="##",
    )
    learn(tokenizer, trainer)
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=lowercase)
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    return tokenizer


def clip():
    tokenizer, trainer = bpe(
        300,
        special=["<|startoftext|>", "<|endoftext|>"],
        unk_token="<|endoftext|>",
        end_of_word_suffix="</w>",
        continuing_subword_prefix="",
    )
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        show_progress=False,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split(CLIP, "removed", True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    learn(tokenizer, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel()])
    return tokenizer


def words():
    """Everything that is left: a word-level model over odd normalizers and pre-tokenizers."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Strip(left=True, right=False),
            normalizers.Replace("th", "þ"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Whitespace(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation("merged_with_previous"),
            split(BEHIND, "merged_with_next"),
        ]
    )
    learn(
        tokenizer,
        trainers.WordLevelTrainer(vocab_size=150, show_progress=False, special_tokens=["<unk>", "<pad>", "|"]),
    )
    tokenizer.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|", cleanup=True)
    return tokenizer


def suffixed():
    tokenizer, _ = bpe()
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    trainer = trainers.BpeTrainer(
        vocab_size=240, show_progress=False, special_tokens=["<unk>"], end_of_word_suffix="</w>"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Digits(),
            split(r"\p{P}", "contiguous"),
            split(GROUPS),
            pre_tokenizers.CharDelimiterSplit("_"),
        ]
    )
    learn(tokenizer, trainer)
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    return tokenizer


def prefixed():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=False))
    trainer = trainers.BpeTrainer(
        vocab_size=260, show_progress=False, special_tokens=["<unk>"], continuing_subword_prefix="##"
    )
    tokenizer.normalizer = normalizers.NFD()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learn(tokenizer, trainer)
    return tokenizer


def tokenizers():
    nmt = normalizers.Precompiled(
        charsmap(
            {
                "\u0000": "",
                "\t": " ",
                "\n": " ",
                "\r\n": " ",
                "ﬁ": "fi",
                "Å": "Å",
                "e\u0301": "é",
                "\u0301": "",
                "Ａ": "A",
                "３": "3",
                "４": "4",
                "½": "1/2",
                "㌔": "キロ",
                "\u00a0": " ",
                "\u3000": " ",
                "\u200b": " ",
                "🏳️\u200d🌈": "?",
            }
        )
    )
    collapse = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    return {
        "gpt2": gpt2(),
        "roberta": roberta(),
        "llama3": byte_level(DIGITS3, ignore_merges=True),
        "qwen2": byte_level(DIGITS1, normalizers.NFC()),
        "o200k": byte_level(O200K),
        "possessive": byte_level(POSSESSIVE),
        "bloom": byte_level(BLOOM),
        "llama2": llama2(),
        "llama2 first": llama2(legacy=False),
        "t5": unigram(
            normalizers.Sequence([nmt, normalizers.Replace(Regex(" {2,}"), " ")]), pre_tokenizers.Metaspace()
        ),
        "siglip": unigram(
            normalizers.Sequence([normalizers.Lowercase(), collapse]),
            pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        ),
        "unigram bytes": unigram(
            normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="first"), byte_fallback=True
        ),
        "bert": bert(True),
        "bert cased": bert(False),
        "clip": clip(),
        "words": words(),
        "suffixed": suffixed(),
        "prefixed": prefixed(),
    }


def compact(tokenizer):
    """tokenizer.json with merges as texts where no token holds a space."""
    data = json.loads(tokenizer.to_str())
    merges = data["model"].get("merges")
    if merges and all(" " not in a and " " not in b for a, b in merges):
        data["model"]["merges"] = [f"{a} {b}" for a, b in merges]
    return data


def fixture():
    chance = random.Random(7)
    styles = {}
    for name, tokenizer in tokenizers().items():
        size = tokenizer.get_vocab_size()
        lists = [[chance.randrange(size) for _ in range(chance.randint(1, 14))] for _ in range(24)]
        encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
        surrounded = tokenizer.encode(TEXTS[3], add_special_tokens=True).ids
        lists += [ids for ids in encoded if ids]
        styles[name] = {
            "tokenizer": compact(tokenizer),
            "ids": encoded,
            "surrounded": surrounded,
            "lists": lists[:24],
            "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in lists],
            "plain": [tokenizer.decode(ids, skip_special_tokens=True) for ids in lists],
        }
    return {"texts": TEXTS, "styles": styles}
