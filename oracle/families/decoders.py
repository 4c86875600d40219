"""Language backbones alone: GPT-2, Qwen2, Qwen3, Mistral, Mixtral, Phi-3, Gemma, and Llama with scaled rotary positions."""

import torch
from tokenizers import AddedToken, processors
from transformers import (
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MistralForCausalLM,
    MixtralForCausalLM,
    Phi3ForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from kit.folder import FixtureFolder
from kit.language import PADDED, Course, check_letters, prompt, run
from kit.vocabulary import byte_fallback, byte_level, write_tokenizer

from .text import encoded, user

QWEN2 = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou answer briefly.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QWEN3 = (
    "{%- set ns = namespace(searching=true, last=messages | length - 1) %}"
    "{%- for message in messages[::-1] %}{%- set index = messages | length - 1 - loop.index0 %}"
    "{%- if ns.searching and message.role == 'user' %}{%- set ns.searching = false %}{%- set ns.last = index %}{%- endif %}"
    "{%- endfor %}"
    "{%- for message in messages %}{%- set content = message.content %}"
    "{%- if message.role == 'assistant' and '</think>' in content and loop.index0 < ns.last %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
    "{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set turns = messages %}{%- endif %}{{- bos_token }}"
    "{%- for turn in turns %}{%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{- raise_exception('user and assistant must take turns') }}{%- endif %}"
    "{%- if turn['role'] == 'user' %}{{- '[INST] ' }}"
    "{%- if loop.last and system is defined %}{{- system + '\\n\\n' }}{%- endif %}{{- turn['content'] + '[/INST]' }}"
    "{%- else %}{{- ' ' + turn['content'] + eos_token }}{%- endif %}{%- endfor %}"
)
PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{%- set ns = namespace(system='', turns=messages) -%}"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set ns.system = messages[0]['content'] + '\n\n' -%}{%- set ns.turns = messages[1:] -%}{%- endif -%}"
    "{%- for turn in ns.turns -%}{%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('user and assistant must take turns') }}{%- endif -%}"
    "{%- set role = 'model' if turn['role'] == 'assistant' else turn['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' + (ns.system if loop.first else '') + turn['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
RENDERED = "rendered prompts are encoded with add_special_tokens false: they hold their begin token themselves"


def qwen_tokenizer(fixture: FixtureFolder, template: str, plain=()):
    """Byte-level BPE behind NFC, without a begin token; single digits. plain: marks that are not special, as Qwen3's are."""
    learnt = byte_level(merges=40, last=("<|endoftext|>", "<|im_start|>", "<|im_end|>"), split="qwen2")
    learnt.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in plain])
    tokens = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    settings = {"bos_token": None, "unk_token": None, "add_prefix_space": False}
    return write_tokenizer(
        fixture,
        learnt,
        "Qwen2Tokenizer",
        tokens,
        template=template,
        template_in="tokenizer_config.json",
        settings=settings,
    ), (None, "<|im_end|>", "<|endoftext|>")


def llama_tokenizer(fixture: FixtureFolder, last, template: str, end="</s>", pad="<unk>", follow=False):
    """BPE with a byte fallback; `follow`: marks swallow the white space behind them, and no text gets a begin token: Phi-3."""
    learnt = byte_fallback(merges=30, last=last, every_byte=False)
    if follow:
        # Their templates write no begin token, and their tokenizers add none.
        learnt.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
        marks = [AddedToken(mark, special=True, normalized=False, rstrip=True) for mark in last]
        learnt.add_special_tokens(marks)
    tokens = {"bos_token": "<s>", "eos_token": end, "unk_token": "<unk>", "pad_token": pad}
    settings = {"legacy": False, "add_bos_token": not follow, "add_eos_token": False}
    return write_tokenizer(fixture, learnt, "LlamaTokenizer", tokens, template=template, settings=settings), (
        "<s>",
        end,
        pad,
    )


def gemma_tokenizer(fixture: FixtureFolder):
    """BPE with a byte fallback, without a space before the text; the padding is the first of the vocabulary."""
    learnt = byte_fallback(
        merges=30,
        first=("<pad>", "<eos>", "<bos>", "<unk>"),
        last=("<start_of_turn>", "<end_of_turn>"),
        every_byte=False,
        begin="<bos>",
        prefix=False,
    )
    tokens = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    settings = {"add_bos_token": True, "add_eos_token": False}
    return write_tokenizer(fixture, learnt, "GemmaTokenizer", tokens, template=GEMMA, settings=settings), (
        "<bos>",
        "<end_of_turn>",
        "<pad>",
    )


# Of each style: template, marks at the vocabulary's end, how its tokenizer is made.
STYLES = {
    "qwen2": lambda fixture: qwen_tokenizer(fixture, QWEN2),
    "qwen3": lambda fixture: qwen_tokenizer(fixture, QWEN3, plain=("<think>", "</think>")),
    "mistral": lambda fixture: llama_tokenizer(fixture, ("[INST]", "[/INST]"), MISTRAL),
    "gemma": gemma_tokenizer,
    "phi3": lambda fixture: llama_tokenizer(
        fixture,
        ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"),
        PHI3,
        end="<|end|>",
        pad="<|endoftext|>",
        follow=True,
    ),
}
CLASSES = {
    "gemma2": Gemma2ForCausalLM,
    "gemma3_text": Gemma3ForCausalLM,
    "llama": LlamaForCausalLM,
    "qwen2": Qwen2ForCausalLM,
    "qwen3": Qwen3ForCausalLM,
    "mistral": MistralForCausalLM,
    "mixtral": MixtralForCausalLM,
    "phi3": Phi3ForCausalLM,
}
# What routes to experts is called otherwise in files; kit.weights separates the experts themselves.
EXPERTS = ((r"(model\.layers\.\d+\.)mlp\.gate", r"\1block_sparse_moe.gate"),)
CHATS = {
    "gemma": (
        [user("Where is the green boat?")],
        [
            [{"role": "system", "content": "You see."}, user(" the kite ")],
            [user("a"), {"role": "assistant", "content": "bird"}, user("What colour is the table?")],
        ],
    ),
    "qwen2": ([user("How many birds?")], [[user("Draw the moon")], [user("I've 134!")]]),
    "qwen3": (
        [user("What is it?")],
        [
            [user("a photo of it")],
            [user("Is it red?"), {"role": "assistant", "content": "<think>\nred\n</think>\n\nit is"}, user("a dog")],
        ],
    ),
    "mistral": (
        [user("Where is the cup?")],
        [
            [{"role": "system", "content": "You see."}, user("the kite")],
            [user("a"), {"role": "assistant", "content": "bird"}, user("What colour is it?")],
        ],
    ),
    "phi3": (
        [user("a photo")],
        [
            [{"role": "system", "content": "You answer."}, user("What colour is the kite in this picture?")],
            [user("a painting of two horses by the river")],
        ],
    ),
}


def decoder(
    fixture: FixtureFolder,
    *,
    family: str,
    style: str,
    sizes: dict,
    second: list | None = None,
    dtype=None,
    new_tokens: int = 16,
    **fields,
) -> None:
    """second: chats of the second set, default the style's. sizes, fields: of config.json; what they leave out has the family's default."""
    tokenizer, (bos, end, pad) = STYLES[style](fixture)
    first, usual = CHATS[style]
    texts = [prompt(fixture, tokenizer, [first]), prompt(fixture, tokenizer, second or usual, "2")]
    ids = {
        name: tokenizer.convert_tokens_to_ids(token) if token else None
        for name, token in (("bos", bos), ("eos", end), ("pad", pad))
    }
    config = {
        "architectures": [CLASSES[family].__name__],
        "model_type": family,
        "vocab_size": len(tokenizer),
        **sizes,
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
        **{f"{name}_token_id": ids[name] for name in (("bos", "eos", "pad") if family == "phi3" else ("bos", "eos"))},
        **fields,
    }
    fixture.note(PADDED, RENDERED)
    course = Course(
        CLASSES[family],
        config,
        tokenizer,
        set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder),
        dtype=dtype,
        new_tokens=new_tokens,
        renaming=EXPERTS if family == "mixtral" else (),
        gains={"lm_head": 3, "q_proj|k_proj|qkv_proj": 1.5, "o_proj|down_proj": 1.6},
        generation={
            "bos_token_id": ids["bos"],
            "eos_token_id": [ids["eos"], ids["pad"]],
            "pad_token_id": ids["pad"],
        },
    )
    run(fixture, course, encoded(tokenizer, *texts, add_specials=False))


GPT2_DEFAULTS = {
    "activation_function": "gelu_new",
    "n_inner": "4 n_embd",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
}


def gpt2(
    fixture: FixtureFolder,
    *,
    width: int,
    heads: int,
    bare: bool,
    masks: torch.dtype,
    layers=2,
    positions=40,
    dtype=None,
    **fields,
) -> None:
    """bare: whether names lack `transformer.`, as in the first release. masks: the type that causal masks are stored in."""
    learnt = byte_level(merges=50, last=("<|endoftext|>",))
    end = "<|endoftext|>"
    tokens = {"bos_token": end, "eos_token": end, "unk_token": end}
    tokenizer = write_tokenizer(fixture, learnt, "GPT2Tokenizer", tokens, settings={"add_prefix_space": False})
    tokenizer.pad_token = end
    end_id = learnt.token_to_id(end)
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_embd": width,
        "n_head": heads,
        "n_layer": layers,
        "n_positions": positions,
        "n_ctx": positions,
        "vocab_size": len(tokenizer),
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "attn_pdrop": 0.1,
        **fields,
    }
    fixture.left_out(**{name: value for name, value in GPT2_DEFAULTS.items() if name not in config})
    fixture.note(
        PADDED,
        "without position_ids forward counts padding too; generate does not, so inputs2 gives them",
        "weights of linear layers are stored [in, out]; attn.bias and attn.masked_bias are causal masks and no parameters",
    )
    first, second = ["Where is the cup? It"], ["a photo of", "How many birds are in this picture? I've"]
    check_letters(tokenizer, first + second)
    fixture.texts |= {"prompt_text": first[0], "prompt_text2": second}
    prefix = "" if bare else "transformer."
    triangle = torch.tril(torch.ones(positions, positions)).reshape(1, 1, positions, positions).to(masks)
    extra = {
        f"{prefix}h.{layer}.attn.{name}": value
        for layer in range(layers)
        for name, value in (("bias", triangle), ("masked_bias", torch.tensor(-1e4)))
    }
    course = Course(
        GPT2LMHeadModel,
        config,
        tokenizer,
        {end_id},
        renaming=((r"transformer\.", prefix),),
        dtype=dtype,
        gains={"c_attn": 1.8, "c_proj": 2.2, "wte": 3, "lm_head": 3},
        generation={"bos_token_id": end_id, "eos_token_id": end_id, "pad_token_id": end_id},
        extra=extra,
    )
    sets = encoded(tokenizer, first, second, add_specials=True)
    mask = sets["2"]["attention_mask"]
    sets["2"]["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    run(fixture, course, sets)
