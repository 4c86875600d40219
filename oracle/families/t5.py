"""T5 in both of its forms."""

import torch
from transformers import T5ForConditionalGeneration

from kit.folder import FixtureFolder, write_json
from kit.language import Course, check_letters, run
from kit.vocabulary import unigram, write_tokenizer

DEFAULTS = {"layer_norm_epsilon": 1e-6, "feed_forward_proj": "relu", "tie_word_embeddings": True}
FIRST = ["translate: The cup is on the table.", "summarize: A quick fox jumps over the lazy zebra, and I see 134 stars"]
SECOND = ["What colour is the kite?", "describe the picture of a small dog in front of a tall tree while it rains"]
ANSWERS = ["a red cup", "there are 25 birds by the river"]


def untie(model) -> None:
    """transformers 5 ties the head whatever config.json says, and unties it where a file holds both tensors."""
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())


def t5_tokenizer(fixture: FixtureFolder, last=(), **settings):
    """SentencePiece's unigram with </s> behind every text."""
    tokens = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return write_tokenizer(fixture, unigram(last=last, lower=False), "T5Tokenizer", tokens, settings=settings)


def asked(fixture: FixtureFolder, tokenizer, texts: list[str], suffix: str) -> dict:
    """Chats of one message each, padded on the right."""
    check_letters(tokenizer, texts)
    write_json(fixture.path / f"messages{suffix}.json", [[{"role": "user", "content": text}] for text in texts])
    fixture.texts[f"prompt_text{suffix}"] = texts
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def t5(
    fixture: FixtureFolder,
    *,
    width: int,
    heads: int,
    head_width: int,
    mlp: int,
    layers: int,
    decoder_layers: int | None = None,
    dtype=None,
    **fields,
) -> None:
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(4))]
    tokenizer = t5_tokenizer(fixture, last=sentinels, extra_ids=len(sentinels))
    config = {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "d_model": width,
        "d_kv": head_width,
        "d_ff": mlp,
        "num_heads": heads,
        "num_layers": layers,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20,
        "vocab_size": len(tokenizer) + 3,  # published tables are filled up
        "decoder_start_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "is_encoder_decoder": True,
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
        **({} if decoder_layers is None else {"num_decoder_layers": decoder_layers}),
        **fields,
    }
    fixture.left_out(**{name: value for name, value in DEFAULTS.items() if name not in config})
    tied = config.get("tie_word_embeddings", True)
    labels = tokenizer(ANSWERS, padding=True, return_tensors="pt")
    learnt_ids = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    learnt_ids[1, 2] = -100
    first, second = asked(fixture, tokenizer, FIRST, ""), asked(fixture, tokenizer, SECOND, "2")
    begun = torch.tensor([[0, 9, 21, 14], [0, 33, 7, 12]])
    fixture.texts["label_text"] = ANSWERS
    fixture.note(
        "scores are not divided by the root of the head width; the bias of distances stands in the first block of each side",
        "last_hidden is the decoder's after its final norm; a tied head multiplies it times d_model ** -0.5",
        "labels are seen by the decoder one place to the right behind decoder_start_token_id, -100 as the padding token",
        "sequences begin with decoder_start_token_id, whatever decoder_input_ids the forward pass had",
        "encoder_last_hidden carries no meaning where attention_mask is 0; padding stands on the right",
    )
    course = Course(
        T5ForConditionalGeneration,
        config,
        tokenizer,
        {0, 1, 2, *tokenizer.convert_tokens_to_ids(sentinels)},
        gains={"shared": 2, "relative_attention": 4, "EncDecAttention.o": 4, r"SelfAttention\.o|\.wo\.": 6, r"\.wi": 2},
        dtype=dtype,
        prepare=None if tied else untie,
        generation={"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0},
    )
    run(fixture, course, {"": first | {"labels": learnt_ids}, "2": second | {"decoder_input_ids": begun}})
