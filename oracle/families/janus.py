"""Janus: SigLIP tower for understanding, VQ tokens for generation, one Llama for both."""

import math

import torch
from transformers import JanusForConditionalGeneration, JanusProcessor
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

from kit.folder import FixtureFolder, stored, write_json
from kit.language import Course, prompt, run, user
from kit.pictures import draw_picture
from kit.vocabulary import byte_level, write_tokenizer
from kit.weights import reload

BEGIN, END, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
IMAGE, IMAGE_BEGIN, IMAGE_END = "<image_placeholder>", "<begin_of_image>", "<end_of_image>"
TURNS = (
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image_placeholder>\\n' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '\\n\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def janus(fixture: FixtureFolder, *, text: dict, vision: dict, vq: dict, guidance: float, dtype=None) -> None:
    """text, vision, vq: fields of the sub-configs. guidance: scale of classifier-free guidance."""
    marks = (BEGIN, END, PAD, IMAGE, IMAGE_BEGIN, IMAGE_END)
    learnt = byte_level(merges=60, last=marks, split="llama3", begin=BEGIN)
    names = ("bos_token", "eos_token", "pad_token", "image_token", "boi_token", "eoi_token")
    tokens = dict(zip(names, marks, strict=True))
    settings = {"padding_side": "left", "processor_class": "JanusProcessor"}
    tokenizer = write_tokenizer(fixture, learnt, "LlamaTokenizerFast", tokens, template=TURNS, settings=settings)
    ids = {f"{name}_id": learnt.token_to_id(token) for name, token in tokens.items()}
    side = vision["image_size"] // vision["patch_size"]
    count = side**2
    text = {"model_type": "llama", "max_position_embeddings": 128, "vocab_size": len(tokenizer), **text}
    vision = {
        "model_type": "janus_vision_model",
        "num_image_tokens": count,
        "projection_dim": text["hidden_size"],
        **vision,
    }
    vq = {
        "model_type": "janus_vqgan",
        "num_patches": side,
        "projection_dim": text["hidden_size"],
        "image_token_embed_dim": text["hidden_size"],
        **vq,
    }
    config = {
        "architectures": ["JanusForConditionalGeneration"],
        "model_type": "janus",
        "image_token_id": ids["image_token_id"],
        "tie_word_embeddings": False,
        "text_config": text,
        "vision_config": vision,
        "vq_config": vq,
        "torch_dtype": str(dtype or torch.float32).removeprefix("torch."),
    }
    defaults = {
        "text_config": (text, {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0}),
        "vision_config": (
            vision,
            {"hidden_act": "gelu", "layer_norm_eps": 1e-6, "attention_bias": True, "depth": 2, "use_qk_norm": False},
        ),
        "vq_config": (vq, {"num_hidden_layers": 2, "hidden_act": "gelu", "num_res_blocks": 2, "in_channels": 3}),
    }
    for part, (given, values) in defaults.items():
        fixture.left_out(**{f"{part}.{name}": value for name, value in values.items() if name not in given})

    processor = JanusProcessor(
        image_processor(fixture, vision["image_size"]), tokenizer, chat_template=TURNS, num_image_tokens=count
    )
    write_json(
        fixture.model / "processor_config.json",
        {"num_image_tokens": count, "processor_class": "JanusProcessor", "use_default_system_prompt": False},
    )
    one = draw_picture(fixture, "one.png", fixture.seed, 23, 47)
    first = prompt(fixture, tokenizer, [user("one.png", "What is it?")])
    asked = prompt(fixture, tokenizer, [user("Draw a picture of the moon.")], "3")
    batch = processor(images=[one], text=first, return_tensors="pt")
    drawing = processor(text=asked, generation_mode="image", return_tensors="pt")
    random = torch.Generator().manual_seed(fixture.seed)
    pixels = side * 2 ** (len(vq["channel_multiplier"]) - 1)
    third = {
        "input_ids": drawing["input_ids"],
        "attention_mask": drawing["attention_mask"],
        "image_tokens": torch.randint(0, vq["num_embeddings"], (1, count), generator=random),
        "vq_pixel_values": torch.rand((1, 3, pixels, pixels), generator=random) * 2 - 1,
    }
    generation = {
        "bos_token_id": ids["bos_token_id"],
        "eos_token_id": ids["eos_token_id"],
        "pad_token_id": ids["pad_token_id"],
        "guidance_scale": guidance,
        "generation_kwargs": {"boi_token_id": ids["boi_token_id"]},
    }
    course = Course(
        JanusForConditionalGeneration,
        config,
        tokenizer,
        set(ids.values()),
        dtype=dtype,
        gains={"lm_head|vision_head": 3, "q_proj|k_proj": 1.5, "o_proj|down_proj": 1.6, "quantize.embedding": 2.5},
        features=lambda model, inputs: (
            model.model.get_image_features(pixel_values=inputs["pixel_values"]).pooler_output
        ),
        accept=lambda model: drawing_margin(model, third, generation, count),
        generation=generation,
    )
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    run(fixture, course, {"": inputs})
    model = reload(JanusForConditionalGeneration, fixture.model)
    fixture.inputs["3"] = stored(third)
    with torch.no_grad():
        fixture.expected["3"] = stored(drawn(model, third, generation))
    fixture.info["guidance_scale"] = guidance
    fixture.note(
        "set 3 draws: the prompt ends with the begin-of-image token; there are no gradients for it",
        "generation_logits: generation_head on last_hidden of the prompt; image_sequences: greedy with guidance, "
        "uncond + scale * (cond - uncond), where the unconditional row has pad for every token but begin and begin-of-image "
        "and keeps the attention mask",
        "generation_embeddings: generation_aligner(generation_embeddings(image_tokens)); teacher_logits: generation_head "
        "at every position of prompt + image_tokens",
        "decoded_pixels [1, height, width, 3] decodes image_tokens, decoded_generated image_sequences; vq_tokens encode "
        "vq_pixel_values, and vq_latent [1, latent_channels, side, side] is what goes into quant_conv",
        "decoding takes l2-normalised codes; encoding looks for the nearest code as stored, without normalising",
        "group norms of the VQ model have 32 groups and eps 1e-6; generation_kwargs holds the begin-of-image id",
    )


def drawing_margin(model, third: dict, generation: dict, count: int) -> float:
    """Smallest margin of the greedy drawing and of the nearest codes; 0 for a drawing with hardly any variety."""
    start, begin_image = generation["bos_token_id"], generation["generation_kwargs"]["boi_token_id"]
    wanted = third["input_ids"]
    kept = (wanted == start) | (wanted == begin_image)
    unconditional = torch.where(kept, wanted, torch.full_like(wanted, generation["pad_token_id"]))
    language = model.model.language_model
    embeddings = language.get_input_embeddings()(torch.cat([wanted, unconditional]))
    margin, chosen = math.inf, set()
    for _ in range(count):
        states = language(inputs_embeds=embeddings).last_hidden_state[:, -1]
        conditional, free = model.model.generation_head(states)
        guided = free + generation["guidance_scale"] * (conditional - free)
        best = guided.topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        chosen.add(best.indices[0].item())
        following = model.prepare_embeddings_for_image_generation(best.indices[:1].repeat(2, 1))
        embeddings = torch.cat([embeddings, following], dim=1)
    vq = model.model.vqmodel
    latents = vq.quant_conv(vq.encoder(third["vq_pixel_values"])).permute(0, 2, 3, 1).flatten(end_dim=2)
    nearest = torch.cdist(latents, vq.quantize.embedding.weight).topk(2, largest=False).values
    margin = min(margin, (nearest[:, 1] - nearest[:, 0]).min().item())
    return margin if len(chosen) > 3 else 0.0


def drawn(model, third: dict, generation: dict) -> dict:
    given = {name: third[name] for name in ("input_ids", "attention_mask")}
    model.generation_config.generation_kwargs = generation["generation_kwargs"]  # transformers drops it on loading
    sequences = model.generate(
        inputs=third["input_ids"],
        attention_mask=third["attention_mask"],
        generation_mode="image",
        do_sample=False,
        guidance_scale=generation["guidance_scale"],
    )
    language, head, vq = model.model.language_model, model.model.generation_head, model.model.vqmodel
    states = language(**given).last_hidden_state
    following = model.prepare_embeddings_for_image_generation(third["image_tokens"])
    whole = torch.cat([language.get_input_embeddings()(third["input_ids"]), following], dim=1)
    encoded = vq.encode(third["vq_pixel_values"])
    return {
        "last_hidden": states,
        "generation_logits": head(states),
        "generation_embeddings": following,
        "teacher_logits": head(language(inputs_embeds=whole).last_hidden_state),
        "image_sequences": sequences,
        "decoded_generated": model.decode_image_tokens(sequences),
        "decoded_pixels": model.decode_image_tokens(third["image_tokens"]),
        "vq_tokens": encoded.image_tokens,
        "vq_latent": encoded.last_hidden_state,
    }


def image_processor(fixture: FixtureFolder, side: int) -> JanusImageProcessorPil:
    settings = {
        "do_resize": True,
        "size": {"height": side, "width": side},
        "min_size": 6,
        "resample": 3,
        "do_pad": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }
    kinds = {"image_processor_type": "JanusImageProcessor", "processor_class": "JanusProcessor"}
    kinds["background_color"] = [127, 127, 127]
    write_json(fixture.model / "preprocessor_config.json", settings | kinds)
    return JanusImageProcessorPil(**settings)
