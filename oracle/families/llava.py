"""LLaVA: CLIP vision tower, two-layer projector, Llama."""

import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from kit.folder import FixtureFolder, write_json
from kit.language import PADDED, Course, prompt, run, user
from kit.pictures import draw_picture
from kit.vocabulary import byte_fallback, write_tokenizer

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

VICUNA = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ 'ASSISTANT: ' }}{% else %}{{ message['role'] | upper + ': ' }}{% endif %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

LANGUAGE = (
    (r"model\.language_model\.", "language_model.model."),
    (r"lm_head\.", "language_model.lm_head."),
    (r"model\.multi_modal_projector\.", "multi_modal_projector."),
)
NAMES = {  # from names of transformers 5 in memory: to those of published files, to those that it writes itself
    "published": (*LANGUAGE, (r"model\.vision_tower\.", "vision_tower.vision_model.")),
    "written": (*LANGUAGE, (r"model\.vision_tower\.", "vision_tower.")),
    "memory": (),
}


def llava(
    fixture: FixtureFolder,
    *,
    text: dict,
    vision: dict,
    names="published",
    layer=-2,
    strategy="default",
    template_in="chat_template.jinja",
    dtype=None,
    shards=1,
    gains=None,
    **fields,
) -> None:
    """text, vision: fields of the two sub-configs. names: those of NAMES. fields: further fields of config.json."""
    learnt = byte_fallback(last=["<image>", "<pad>"], every_byte=False)
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    settings = {"padding_side": "left", "legacy": True, "processor_class": "LlavaProcessor"}
    tokenizer = write_tokenizer(
        fixture,
        learnt,
        "LlamaTokenizer",
        tokens | {"image_token": "<image>"},
        template=VICUNA,
        template_in=template_in,
        settings=settings,
    )
    image_id, pad_id = learnt.token_to_id("<image>"), learnt.token_to_id("<pad>")
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    first = 0 if vision.get("model_type") == "siglip_vision_model" else 1  # a token before those of the patches
    text = {"model_type": "llama", "max_position_embeddings": 128, "vocab_size": len(tokenizer), **text}
    config = {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "image_token_index": image_id,
        "image_seq_length": patches + (strategy == "full") * first,
        "text_config": text,
        "vision_config": {"model_type": "clip_vision_model", **vision},
        "vision_feature_layer": layer,
        "vision_feature_select_strategy": strategy,
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
        **fields,
    }
    defaults = {"projector_hidden_act": "gelu", "multimodal_projector_bias": True, "tie_word_embeddings": False}
    fixture.left_out(**{name: value for name, value in defaults.items() if name not in fields})
    left_out_of_parts(fixture, text, vision)

    processor = image_processor(fixture, tokenizer, vision, strategy, first)
    seed = fixture.seed
    one = draw_picture(fixture, "one.png", seed, 41, 30)
    two = draw_picture(fixture, "two.png", seed + 1, 26, 53, "RGBA")
    grey = draw_picture(fixture, "grey.png", seed + 2, 31, 31, "L")
    first = prompt(fixture, tokenizer, [user("one.png", "What do you see?")])
    second = prompt(fixture, tokenizer, [user("two.png", "How many birds?"), user("grey.png", "a tall tree, 25")], "2")
    sets = {"": processor(images=[one], text=first, return_tensors="pt")}
    sets["2"] = processor(images=[two, grey], text=second, padding=True, return_tensors="pt")
    arguments = ("input_ids", "attention_mask", "pixel_values")
    fixture.note(PADDED, "the tokenizer adds <s>; the template does not")
    course = Course(
        LlavaForConditionalGeneration,
        config,
        tokenizer,
        {0, 1, 2, image_id, pad_id},
        renaming=NAMES[names],
        dtype=dtype,
        shards=shards,
        gains={"lm_head": 3, "q_proj|k_proj": 1.5, "o_proj|down_proj": 1.6} | (gains or {}),
        features=lambda model, inputs: joined(model.get_image_features(pixel_values=inputs["pixel_values"])),
        generation={"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": pad_id},
    )
    run(fixture, course, {suffix: {name: batch[name] for name in arguments} for suffix, batch in sets.items()})


def joined(features) -> torch.Tensor:
    """The features of all pictures one after another: [tokens, width]."""
    return torch.cat([picture.flatten(end_dim=-2) for picture in features.pooler_output])


def left_out_of_parts(fixture: FixtureFolder, text: dict, vision: dict) -> None:
    width = text["hidden_size"] // text["num_attention_heads"]
    parts = {
        "text_config": (text, {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "head_dim": width}),
        "vision_config": (vision, {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "num_channels": 3}),
    }
    for part, (given, defaults) in parts.items():
        fixture.left_out(**{f"{part}.{name}": value for name, value in defaults.items() if name not in given})


def image_processor(fixture: FixtureFolder, tokenizer, vision: dict, strategy: str, first: int) -> LlavaProcessor:
    side = vision["image_size"]
    pictures = {
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "do_convert_rgb": True,
    }
    own = {
        "patch_size": vision["patch_size"],
        "vision_feature_select_strategy": strategy,
        "num_additional_image_tokens": first,
    }
    kinds = {"image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor"}
    write_json(fixture.model / "preprocessor_config.json", pictures | kinds)
    write_json(
        fixture.model / "processor_config.json",
        own | {"image_token": "<image>", "processor_class": "LlavaProcessor"},
    )
    return LlavaProcessor(CLIPImageProcessorPil(**pictures), tokenizer, chat_template=VICUNA, **own)
