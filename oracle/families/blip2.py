"""BLIP-2: ViT with fused query, key and value, Q-Former, linear projection, OPT."""

import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from kit.folder import FixtureFolder, write_json
from kit.language import PADDED, Course, check_letters, run
from kit.pictures import draw_picture

from .llava import CLIP_MEAN, CLIP_STD
from .text import OPT_DEFAULTS, opt_tokenizer


def blip2(
    fixture: FixtureFolder, *, text: dict, vision: dict, qformer: dict, queries: int, dtype=None, **fields
) -> None:
    """text, vision, qformer: fields of the sub-configs. fields: further fields of config.json."""
    tokenizer = opt_tokenizer(fixture, last=["<image>"], processor_class="Blip2Processor")
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    ids = {"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
    text = {"model_type": "opt", "max_position_embeddings": 64, "vocab_size": len(tokenizer), **ids, **text}
    qformer = {
        "model_type": "blip_2_qformer",
        "encoder_hidden_size": vision["hidden_size"],
        "vocab_size": 40,
        **qformer,
    }
    config = {
        "architectures": ["Blip2ForConditionalGeneration"],
        "model_type": "blip-2",
        "image_token_index": image_id,
        "num_query_tokens": queries,
        "text_config": text,
        "vision_config": {"model_type": "blip_2_vision_model", **vision},
        "qformer_config": qformer,
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
        **fields,
    }
    defaults = {
        "text_config": (text, OPT_DEFAULTS),
        "vision_config": (vision, {"hidden_act": "gelu", "layer_norm_eps": 1e-6, "qkv_bias": True}),
        "qformer_config": (qformer, {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "cross_attention_frequency": 2}),
    }
    for part, (given, values) in defaults.items():
        fixture.left_out(**{f"{part}.{name}": value for name, value in values.items() if name not in given})

    processor = Blip2Processor(image_processor(fixture, vision["image_size"]), tokenizer, num_query_tokens=queries)
    write_json(
        fixture.model / "processor_config.json", {"num_query_tokens": queries, "processor_class": "Blip2Processor"}
    )
    seed = fixture.seed
    one = draw_picture(fixture, "one.png", seed, 39, 21)
    two = draw_picture(fixture, "two.png", seed + 1, 25, 60)
    turned = draw_picture(fixture, "turned.jpg", seed + 2, 40, 30)
    first, second = "Question: What colour is it? Answer:", ["a photo of", "Question: how many birds? Answer:"]
    check_letters(tokenizer, [first, *second])
    fixture.texts |= {"prompt_text": first, "prompt_text2": second}
    tokenizer.padding_side = "left"
    sets = {"": processor(images=one, text=first, return_tensors="pt")}
    sets["2"] = processor(images=[two, turned], text=second, padding=True, return_tensors="pt")
    fixture.note(
        PADDED,
        "the processor puts num_query_tokens times <image> in front; padding and then </s> and the text follow",
        "query_tokens go through qformer.layernorm before the first layer; cross-attention in layers 0, f, 2f, ...",
        "vision_model.post_layernorm is applied to all tokens",
    )
    names = ("input_ids", "attention_mask", "pixel_values")
    course = Course(
        Blip2ForConditionalGeneration,
        config,
        tokenizer,
        {0, 1, 2, 3, image_id},
        dtype=dtype,
        gains={"query_tokens": 3, "q_proj|k_proj|query|key": 1.5, "out_proj|fc2": 1.8, "embed_tokens": 1.6},
        features=image_features,
        with_hidden=False,
        generation=ids,
    )
    run(fixture, course, {suffix: {name: batch[name] for name in names} for suffix, batch in sets.items()})


def image_features(model, inputs: dict) -> torch.Tensor:
    """What takes the places of the image tokens: [pictures, queries, text width]."""
    patches = model.vision_model(pixel_values=inputs["pixel_values"]).last_hidden_state
    queries = model.query_tokens.expand(len(patches), -1, -1)
    mask = torch.ones(patches.shape[:2], dtype=torch.long)
    out = model.qformer(query_embeds=queries, encoder_hidden_states=patches, encoder_attention_mask=mask)
    return model.language_projection(out.last_hidden_state)


def image_processor(fixture: FixtureFolder, side: int) -> BlipImageProcessorPil:
    settings = {
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "do_convert_rgb": True,
    }
    kinds = {"image_processor_type": "BlipImageProcessor", "processor_class": "Blip2Processor"}
    write_json(fixture.model / "preprocessor_config.json", settings | kinds)
    return BlipImageProcessorPil(**settings)
