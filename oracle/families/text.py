"""Language backbones alone: Llama and OPT."""

import torch
from transformers import LlamaForCausalLM, OPTForCausalLM

from kit.folder import FixtureFolder
from kit.language import PADDED, Course, check_letters, prompt, run
from kit.vocabulary import byte_fallback, byte_level, write_tokenizer

CHATML = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}{% set turns = messages[1:] %}"
    "{% else %}{% set system = 'You answer briefly.' %}{% set turns = messages %}{% endif %}"
    "{{ '<|im_start|>system\\n' + system + '<|im_end|>\\n' }}"
    "{% for turn in turns %}"
    "{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('user and assistant must take turns') }}{% endif %}"
    "{{ '<|im_start|>' + turn['role'] + '\\n' }}"
    "{% if turn['role'] == 'assistant' %}{% generation %}{{ turn['content'] | trim }}{% endgeneration %}"
    "{% else %}{{ turn['content'] | trim }}{% endif %}{{ '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
INSTRUCTION = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'].strip() + eos_token }}"
    "{% else %}{{ '<<' + message['role'] | upper + '>> ' + message['content'] + ' ' }}{% endif %}{% endfor %}"
)


def encoded(tokenizer, first: list[str], second: list[str], *, add_specials: bool) -> dict:
    """The two input sets: one prompt, and two prompts padded on the left."""
    sets = {}
    tokenizer.padding_side = "left"
    for suffix, texts in (("", first), ("2", second)):
        batch = tokenizer(texts, padding=True, add_special_tokens=add_specials, return_tensors="pt")
        sets[suffix] = {name: batch[name] for name in ("input_ids", "attention_mask")}
    return sets


def llama(
    fixture: FixtureFolder,
    *,
    style: str,
    hidden: int,
    heads: int,
    kv_heads: int,
    mlp: int,
    layers=2,
    vocabulary_rows=None,
    dtype=None,
    shards=1,
    every_byte=False,
    **fields,
) -> None:
    """style: "chatml" (byte-level BPE) or "instruction" (byte fallback). fields: further fields of config.json."""
    if style == "chatml":
        marks = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
        learnt = byte_level(merges=70, last=marks, split="llama3", every_byte=every_byte)
        tokens = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        tokenizer = write_tokenizer(
            fixture, learnt, "PreTrainedTokenizerFast", tokens, template=CHATML, template_in="tokenizer_config.json"
        )
        system = [{"role": "system", "content": " You answer. "}]
        chats = [
            [user("Where is the cup?")],
            [system + [user("Draw the moon")], [user("Hé 猫!" if every_byte else "I've 134 birds!")]],
        ]
    else:
        marks = ("<unk>", "<s>", "</s>", "<pad>")
        learnt = byte_fallback(last=["<pad>"])
        tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
        tokenizer = write_tokenizer(
            fixture,
            learnt,
            "LlamaTokenizer",
            tokens,
            template=INSTRUCTION,
            settings={"legacy": True, "add_bos_token": True},
        )
        chats = [[user("What is it?")], [[user("a photo of it")], [user("a café 2")]]]
    first = prompt(fixture, tokenizer, [chats[0]])
    second = prompt(fixture, tokenizer, chats[1], "2")
    ids = {
        name.replace("_token", "_token_id"): learnt.token_to_id(token)
        for name, token in tokens.items()
        if name != "unk_token"
    }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary_rows or len(tokenizer),
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
        **{name: ids[name] for name in ("bos_token_id", "eos_token_id")},
        **fields,
    }
    defaults = {
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "head_dim": hidden // heads,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "max_position_embeddings": 2048,
    }
    fixture.left_out(**{name: value for name, value in defaults.items() if name not in config})
    fixture.note(
        PADDED, "rendered prompts are encoded with add_special_tokens false: they hold their begin token themselves"
    )
    if vocabulary_rows:
        fixture.note("vocab_size is larger than the tokenizer: the last rows have no token")
    course = Course(
        LlamaForCausalLM,
        config,
        tokenizer,
        {learnt.token_to_id(mark) for mark in marks},
        dtype=dtype,
        shards=shards,
        gains={"lm_head": 3, "q_proj|k_proj": 1.5, "o_proj|down_proj": 1.6},
        generation=ids,
    )
    run(fixture, course, encoded(tokenizer, first, second, add_specials=False))


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def opt_tokenizer(fixture: FixtureFolder, last=(), **settings):
    """GPT-2's byte-level BPE with OPT's specials in front and </s> before every text."""
    learnt = byte_level(merges=60, first=("<s>", "<pad>", "</s>", "<unk>"), last=last, begin="</s>")
    tokens = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    return write_tokenizer(fixture, learnt, "GPT2Tokenizer", tokens, settings={"add_bos_token": True, **settings})


OPT_DEFAULTS = {
    "activation_function": "relu",
    "do_layer_norm_before": True,
    "enable_bias": True,
    "layer_norm_elementwise_affine": True,
    "tie_word_embeddings": True,
    "_remove_final_layer_norm": False,
    "layer_norm_eps (no field)": 1e-5,
}


def opt(
    fixture: FixtureFolder,
    *,
    hidden: int,
    heads: int,
    mlp: int,
    embedding: int,
    layers=2,
    positions=64,
    dtype=None,
    **fields,
) -> None:
    tokenizer = opt_tokenizer(fixture)
    config = {
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "hidden_size": hidden,
        "ffn_dim": mlp,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "word_embed_proj_dim": embedding,
        "max_position_embeddings": positions,
        "vocab_size": len(tokenizer),
        "bos_token_id": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "dropout": 0.1,
        "torch_dtype": "float16",
        **fields,
    }
    fixture.left_out(**{name: value for name, value in OPT_DEFAULTS.items() if name not in config})
    fixture.note(
        PADDED,
        "positions are learned, counted over the attention mask, and looked up at position + 2",
        "last_hidden is what the head multiplies: after the final norm or, without one, after project_out",
        "the embedding matrix is also the head; it is stored once",
    )
    first, second = ["Question: Where is the cup? Answer:"], ["a photo of", "What colour is the kite? It's"]
    check_letters(tokenizer, first + second)
    fixture.texts |= {"prompt_text": first[0], "prompt_text2": second}
    course = Course(
        OPTForCausalLM,
        config,
        tokenizer,
        {0, 1, 2, 3},
        dtype=dtype,
        gains={"q_proj|k_proj": 1.5, "out_proj|fc2": 2.5, "embed_tokens": 1.8, "project_out": 2.0},
        generation={"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1},
    )
    run(fixture, course, encoded(tokenizer, first, second, add_specials=True))
