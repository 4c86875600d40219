"""Idefics3 and SmolVLM: SigLIP tower, pixel shuffle, one linear layer, Llama; pictures are cut into tiles."""

import torch
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor, SmolVLMForConditionalGeneration
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from kit.folder import FixtureFolder, write_json
from kit.language import PADDED, Course, prompt, run, user
from kit.pictures import draw_picture
from kit.vocabulary import byte_level, write_tokenizer

from .llava import joined

TURNS = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ (' ' if loop.first else '') + part['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
CLASSES = {"idefics3": Idefics3ForConditionalGeneration, "smolvlm": SmolVLMForConditionalGeneration}


def smolvlm(
    fixture: FixtureFolder,
    *,
    kind: str,
    text: dict,
    vision: dict,
    factor: int,
    longest: int,
    splitting: bool,
    grid: int,
    sizes=((44, 23), (20, 41), (27, 27)),
    dtype=None,
    tied=False,
    gains=None,
) -> None:
    """kind: "idefics3" or "smolvlm". longest: longest edge before cutting; grid: tiles a side that have tokens."""
    first = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, grid + 1) for column in range(1, grid + 1)]
    last = ("<global-img>", *tiles, "<fake_token_around_image>", "<image>", "<end_of_utterance>")
    learnt = byte_level(merges=60, first=first, last=last)
    image_id, end_id = learnt.token_to_id("<image>"), learnt.token_to_id("<end_of_utterance>")
    tokens = {
        "bos_token": "<|im_start|>",
        "eos_token": "<end_of_utterance>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
    settings = {"padding_side": "left", "processor_class": "Idefics3Processor"}
    tokenizer = write_tokenizer(fixture, learnt, "GPT2Tokenizer", tokens, template=TURNS, settings=settings)
    side = vision["image_size"]
    model_class = CLASSES[kind]
    ids = {"bos_token_id": 1, "eos_token_id": end_id, "pad_token_id": 2}
    text = {"model_type": "llama", "max_position_embeddings": 512, "vocab_size": len(tokenizer), **ids, **text}
    config = {
        "architectures": [model_class.__name__],
        "model_type": kind,
        "image_token_id": image_id,
        "pad_token_id": 2,
        "scale_factor": factor,
        "tie_word_embeddings": tied,
        "text_config": text | {"tie_word_embeddings": tied},
        "vision_config": {"model_type": f"{kind}_vision", **vision},
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
    }
    defaults = {
        "text_config": (
            text,
            {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "attention_bias": False},
        ),
        "vision_config": (vision, {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "num_channels": 3}),
    }
    for part, (given, values) in defaults.items():
        fixture.left_out(**{f"{part}.{name}": value for name, value in values.items() if name not in given})

    sequence = (side // vision["patch_size"]) ** 2 // factor**2
    processor = Idefics3Processor(
        image_processor(fixture, side, longest, splitting), tokenizer, image_seq_len=sequence, chat_template=TURNS
    )
    write_json(
        fixture.model / "processor_config.json", {"image_seq_len": sequence, "processor_class": "Idefics3Processor"}
    )
    seed = fixture.seed
    pictures = {
        "one.png": draw_picture(fixture, "one.png", seed, *sizes[0]),
        "two.png": draw_picture(fixture, "two.png", seed + 1, *sizes[1], "RGBA"),
        "grey.png": draw_picture(fixture, "grey.png", seed + 2, *sizes[2], "L"),
    }
    single = prompt(fixture, tokenizer, [user("one.png", "What is it?")])
    chats = [user("two.png", "How many birds?"), user("Is it ", "grey.png", " or ", "one.png", "?")]
    several = prompt(fixture, tokenizer, chats, "2")
    sets = {"": processor(images=[[pictures["one.png"]]], text=single, return_tensors="pt")}
    images = [[pictures["two.png"]], [pictures["grey.png"], pictures["one.png"]]]
    sets["2"] = processor(images=images, text=several, padding=True, return_tensors="pt")
    fixture.note(
        PADDED,
        "inputs2: one picture in the first row, two in the second; tiles that fill up the shorter row are all zero "
        "in pixel_values and pixel_attention_mask, and are dropped before the tower",
        "rendered prompts hold their begin token: encoded without adding specials by the tokenizer, which adds none",
    )
    names = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")
    masks = ("pixel_values", "pixel_attention_mask")
    course = Course(
        model_class,
        config,
        tokenizer,
        {learnt.token_to_id(token) for token in (*first, *last)},
        dtype=dtype,
        gains={"lm_head": 3, "q_proj|k_proj": 1.5, "o_proj|down_proj": 1.8} | (gains or {}),
        features=lambda model, inputs: joined(model.get_image_features(**{name: inputs[name] for name in masks})),
        generation=ids,
    )
    run(fixture, course, {suffix: {name: batch[name] for name in names} for suffix, batch in sets.items()})


def image_processor(fixture: FixtureFolder, side: int, longest: int, splitting: bool) -> Idefics3ImageProcessorPil:
    settings = {
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"longest_edge": longest},
        "resample": 1,
        "do_image_splitting": splitting,
        "max_image_size": {"longest_edge": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_pad": True,
    }
    kinds = {"image_processor_type": "Idefics3ImageProcessor", "processor_class": "Idefics3Processor"}
    write_json(fixture.model / "preprocessor_config.json", settings | kinds)
    return Idefics3ImageProcessorPil(**settings)
