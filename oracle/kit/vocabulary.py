"""Tiny tokenizers in the style of each family, learnt from the text below; two runs learn the same."""

import itertools
import json
import math
from collections import Counter

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from .folder import FixtureFolder, write_json

TEXT = """
What do you see? I see a green boat on the lake, and a small dog in front of it.
Where is the cup? The cup is on the table, left of the bottle. What colour is the kite? It is red, isn't it?
How many birds? Question: how many birds are in this picture? Answer: there are 25 birds in this picture.
User: describe the picture. USER: what is it? ASSISTANT: a bird. Assistant: a woman reads a book under a tall tree while it rains.
a photo of a mountain, a drawing of the sun, a painting of two horses by the river
You answer briefly. system, user, assistant, system, user, assistant: Draw a picture of the moon. It's night; they're asleep and I've 134 stars!
A quick fox jumps over the lazy zebra.
"""

GPT2_SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
CLIP_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def learn(words: Counter, count: int) -> tuple[list[tuple[str, str]], Counter]:
    """`count` merges of the most frequent neighbours (ties: the smaller pair), and how often each piece is used after them.

    words: tuples of symbols, counted.
    """
    words = Counter(words)
    merges = []
    for _ in range(count):
        pairs = Counter()
        for word, times in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        merged = Counter()
        for word, times in words.items():
            merged[merge(word, merges[-1])] += times
        words = merged
    used = Counter()
    for word, times in words.items():
        for symbol in word:
            used[symbol] += times
    return merges, used


def merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] = pair[0] + pair[1]
        else:
            out.append(symbol)
    return tuple(out)


def counted(tokenizer: Tokenizer) -> Counter:
    """Words of the text after the tokenizer's own normalizer and splitting, as tuples of characters."""
    words = Counter()
    for line in TEXT.strip().split("\n"):
        line = tokenizer.normalizer.normalize_str(line) if tokenizer.normalizer else line
        words.update(tuple(word) for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(line))
    return words


def specials(tokens) -> list[AddedToken]:
    return [AddedToken(token, special=True, normalized=False) for token in tokens]


def prepended(tokenizer: Tokenizer, token: str):
    """Post-processor that puts `token` before every text."""
    return processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, tokenizer.token_to_id(token))]
    )


def byte_level(merges=64, first=(), last=(), split="gpt2", begin: str | None = None, every_byte=False) -> Tokenizer:
    """Byte-level BPE as GPT-2 ("gpt2"), Llama 3 ("llama3") or Qwen2 ("qwen2") split words.

    `first` opens the vocabulary, `last` ends it.

    Published vocabularies hold every byte; without `every_byte` this one holds those of the text, to keep fixtures small.
    """
    tokenizer = Tokenizer(models.BPE())
    if split == "gpt2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.normalizer = normalizers.NFC() if split == "qwen2" else None
        pattern = pre_tokenizers.Split(Regex(QWEN2_SPLIT if split == "qwen2" else LLAMA3_SPLIT), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pattern, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    words = counted(tokenizer)
    learnt, _ = learn(words, merges)
    seen = {letter for word in words for letter in word} | {"Ċ"}  # Ċ is the line feed
    letters = sorted(pre_tokenizers.ByteLevel.alphabet() if every_byte else seen)
    pieces = [*first, *letters, *(left + right for left, right in learnt)]
    tokenizer.model = models.BPE(
        vocab={piece: index for index, piece in enumerate(dict.fromkeys(pieces))}, merges=learnt
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials([*first, *last]))
    tokenizer.post_processor = prepended(tokenizer, begin) if begin else processors.ByteLevel(trim_offsets=False)
    return tokenizer


def byte_fallback(
    merges=40, last=(), every_byte=True, first=("<unk>", "<s>", "</s>"), begin="<s>", prefix=True
) -> Tokenizer:
    """Llama 2 style: BPE over words that begin with ▁; characters out of the vocabulary become <0x..> bytes.

    Without `every_byte` the line feed is the only byte, and other unknown characters become <unk>. Without `prefix` no ▁ is
    put before a text, as in Gemma.
    """
    scheme = "always" if prefix else "never"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    words = counted(tokenizer)
    learnt, _ = learn(words, merges)
    letters = sorted({letter for word in words for letter in word})
    pieces = [
        *first,
        *(f"<0x{byte:02X}>" for byte in (range(256) if every_byte else [10])),
        *(left + right for left, right in learnt),
        *letters,
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=learnt, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    spaces = normalizers.Replace(" ", "▁")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if prefix:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces])
        steps.append(decoders.Strip(" ", 1, 0))
    else:
        tokenizer.normalizer = spaces
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(specials([*first, *last]))
    tokenizer.post_processor = prepended(tokenizer, begin)
    return tokenizer


def clip_style(merges=48) -> Tokenizer:
    """CLIP's lower-case BPE with </w> at the end of words; both marks close the vocabulary.

    It holds the letters of the text only, alone and at the end of a word, where published ones hold every byte.
    """
    begin, end = "<|startoftext|>", "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE())
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    pattern = pre_tokenizers.Split(Regex(CLIP_SPLIT), "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pattern, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    words = Counter()
    for word, times in counted(tokenizer).items():
        words[(*word[:-1], word[-1] + "</w>")] += times
    learnt, _ = learn(words, merges)
    letters = sorted({symbol.removesuffix("</w>") for word in words for symbol in word})
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in learnt), begin, end]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer.model = models.BPE(vocab=vocabulary, merges=learnt, unk_token=end, end_of_word_suffix="</w>")
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials([begin, end]))
    tokenizer.post_processor = processors.RobertaProcessing(
        (end, vocabulary[end]), (begin, vocabulary[begin]), False, False
    )
    return tokenizer


def unigram(merges=90, first=("<pad>", "</s>", "<unk>"), last=(), lower=True) -> Tokenizer:
    """SentencePiece unigram: ▁ before words, </s> after the text; SigLIP's is lower case, T5's has sentinels at its end."""
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), normalizers.Replace("  ", " ")]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps] if lower else steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    words = counted(tokenizer)
    learnt, used = learn(words, merges)
    letters = {letter for word in words for letter in word}
    pieces = letters | {left + right for left, right in learnt}
    total = sum(used.values())
    scores = {piece: round(math.log((used[piece] + 0.25) / total), 6) for piece in pieces}
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    definition = json.loads(tokenizer.to_str())
    vocabulary = [[piece, 0.0] for piece in first] + [[piece, score] for piece, score in ranked]
    definition["model"] = {
        "type": "Unigram",
        "unk_id": first.index("<unk>"),
        "vocab": vocabulary,
        "byte_fallback": False,
    }
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(specials([*first, *last]))
    ends = [("</s>", tokenizer.token_to_id("</s>"))]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=ends
    )
    return tokenizer


def word_piece(merges=60) -> Tokenizer:
    """BERT's: lower case without accents, the longest known piece from the left, [CLS] before and [SEP] behind each text."""
    first = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = counted(tokenizer)
    letters = sorted({letter for word in words for letter in word})
    learnt = [*letters, *(left + right for left, right in learn(words, merges)[0])]
    pieces = [*first, *learnt, *(f"##{piece}" for piece in learnt)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer.model = models.WordPiece(vocab=vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(specials(first))
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return tokenizer


def write_tokenizer(
    fixture: FixtureFolder,
    tokenizer: Tokenizer,
    tokenizer_class: str,
    tokens: dict,
    *,
    template: str | None = None,
    template_in: str = "chat_template.jinja",
    settings: dict | None = None,
) -> PreTrainedTokenizerFast:
    """Writes the tokenizer files of a checkpoint and opens them as they stand, whatever class the configuration names.

    tokens: {"bos_token": ...}. template_in: "chat_template.jinja", "chat_template.json" or "tokenizer_config.json".
    """
    tokenizer.save(str(fixture.model / "tokenizer.json"))
    configuration = {
        "added_tokens_decoder": {
            str(token.pop("id")): token for token in json.loads(tokenizer.to_str())["added_tokens"]
        },
        **tokens,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 256,
        "tokenizer_class": tokenizer_class,
        **(settings or {}),
    }
    if template is not None and template_in == "chat_template.jinja":
        (fixture.model / template_in).write_text(template, encoding="utf-8")
    elif template is not None and template_in == "chat_template.json":
        write_json(fixture.model / template_in, {"chat_template": template})
    elif template is not None:
        configuration["chat_template"] = template
    write_json(fixture.model / "tokenizer_config.json", configuration)
    write_json(fixture.model / "special_tokens_map.json", tokens)
    fixture.note("tokenizer.json as it stands is the reference, not the class that tokenizer_config.json names")
    return open_tokenizer(fixture, tokens, settings or {}, template)


def open_tokenizer(
    fixture: FixtureFolder, tokens: dict, settings: dict, template: str | None
) -> PreTrainedTokenizerFast:
    standard = {"bos_token", "eos_token", "unk_token", "pad_token"}
    opened = PreTrainedTokenizerFast(
        tokenizer_file=str(fixture.model / "tokenizer.json"),
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=settings.get("model_max_length", 256),
        padding_side=settings.get("padding_side", "right"),
        **{name: token for name, token in tokens.items() if name in standard},
    )
    for name in tokens.keys() - standard:  # image_token and the like, which processors look for
        setattr(opened, name, tokens[name])
        setattr(opened, f"{name}_id", opened.convert_tokens_to_ids(tokens[name]))
    opened.chat_template = template
    return opened
