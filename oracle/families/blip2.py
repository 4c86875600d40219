"""BLIP-2: ViT with fused query, key and value, Q-Former, linear projection, OPT or Flan-T5."""

import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from kit.folder import FixtureFolder, write_json
from kit.language import PADDED, Course, check_letters, run
from kit.pictures import draw_picture

from .llava import CLIP_MEAN, CLIP_STD
from .t5 import DEFAULTS as T5_DEFAULTS
from .t5 import t5_tokenizer, untie
from .text import OPT_DEFAULTS, opt_tokenizer


def blip2(
    fixture: FixtureFolder, *, text: dict, vision: dict, qformer: dict, queries: int, dtype=None, **fields
) -> None:
    """text, vision, qformer: fields of the sub-configs. fields: further fields of config.json."""
    tokenizer = opt_tokenizer(fixture, last=["<image>"], processor_class="Blip2Processor")
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    ids = {"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
    text = {"model_type": "opt", "max_position_embeddings": 64, "vocab_size": len(tokenizer), **ids, **text}
    config = configuration(
        fixture, text, vision, qformer, queries, defaults=OPT_DEFAULTS, image_id=image_id, dtype=dtype, fields=fields
    )
    tokenizer.padding_side = "left"
    sets = pictured(fixture, tokenizer, vision["image_size"], queries)
    fixture.note(
        PADDED,
        "the processor puts num_query_tokens times <image> in front; padding and then </s> and the text follow",
        *NOTES,
    )
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
    run(fixture, course, sets)


def blip2_t5(
    fixture: FixtureFolder, *, text: dict, vision: dict, qformer: dict, queries: int, dtype=None, **fields
) -> None:
    """As `blip2`, with Flan-T5: the features are among what its encoder reads."""
    tokenizer = t5_tokenizer(fixture, last=["<image>"], processor_class="Blip2Processor")
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    ids = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    text = {"model_type": "t5", "vocab_size": len(tokenizer), **ids, **text}
    config = configuration(
        fixture, text, vision, qformer, queries, defaults=T5_DEFAULTS, image_id=image_id, dtype=dtype, fields=fields
    )
    sets = pictured(fixture, tokenizer, vision["image_size"], queries)
    sets[""]["labels"] = tokenizer("it is green", return_tensors="pt")["input_ids"]
    sets["2"]["decoder_input_ids"] = torch.tensor([[0, 9, 21], [0, 33, 7]])
    fixture.note(
        "the processor puts num_query_tokens times <image> in front; the text, </s> and then padding follow",
        "sequences begin with decoder_start_token_id, whatever decoder_input_ids the forward pass had",
        *NOTES,
    )
    course = Course(
        Blip2ForConditionalGeneration,
        config,
        tokenizer,
        {0, 1, 2, image_id},
        dtype=dtype,
        gains={
            "query_tokens": 3,
            "query|key": 1.5,
            "relative_attention": 4,
            r"\.o\.|\.wo\.": 4,
            r"\.wi": 2,
            "lm_head": 3,
        },
        features=image_features,
        with_hidden=False,
        prepare=lambda model: untie(model.language_model),
        generation=ids,
    )
    run(fixture, course, sets)


NOTES = (
    "query_tokens go through qformer.layernorm before the first layer; cross-attention in layers 0, f, 2f, ...",
    "vision_model.post_layernorm is applied to all tokens",
)


def configuration(fixture, text, vision, qformer, queries, *, defaults, image_id, dtype, fields) -> dict:
    """config.json; what it leaves out is named in fixture.json."""
    qformer = {
        "model_type": "blip_2_qformer",
        "encoder_hidden_size": vision["hidden_size"],
        "vocab_size": 40,
        **qformer,
    }
    parts = {
        "text_config": (text, defaults),
        "vision_config": (vision, {"hidden_act": "gelu", "layer_norm_eps": 1e-6, "qkv_bias": True}),
        "qformer_config": (qformer, {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "cross_attention_frequency": 2}),
    }
    for part, (given, values) in parts.items():
        fixture.left_out(**{f"{part}.{name}": value for name, value in values.items() if name not in given})
    return {
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


def pictured(fixture: FixtureFolder, tokenizer, side: int, queries: int) -> dict[str, dict]:
    """The two input sets: one picture with a prompt, and two of either."""
    processor = Blip2Processor(image_processor(fixture, side), tokenizer, num_query_tokens=queries)
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
    batches = {
        "": processor(images=one, text=first, return_tensors="pt"),
        "2": processor(images=[two, turned], text=second, padding=True, return_tensors="pt"),
    }
    names = ("input_ids", "attention_mask", "pixel_values")
    return {suffix: {name: batch[name] for name in names} for suffix, batch in batches.items()}


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
