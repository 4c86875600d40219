"""Encoders alone: CLIP and SigLIP with both towers, their vision towers by themselves, and BERT."""

import torch
from transformers import (
    BertModel,
    CLIPModel,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    SiglipModel,
    SiglipVisionModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from kit.folder import FixtureFolder, relative_error, stored, write_json
from kit.pictures import draw_picture
from kit.vocabulary import clip_style, unigram, word_piece, write_tokenizer
from kit.weights import NOISE, build, draw, gradients, refuse_vanishing, reload, save_checkpoint

from .llava import CLIP_MEAN, CLIP_STD

TEXTS = ["a photo of two birds", "It's a RED kite,  on the lake!", "134 stars"]
CLIP_DEFAULTS = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": 512}
BERT_DEFAULTS = {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2}
SIGLIP_DEFAULTS = {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
HALF = [0.5, 0.5, 0.5]


def clip_pixels(fixture: FixtureFolder, side: int) -> torch.Tensor:
    """Four odd pictures through CLIP's processor: [4, 3, side, side]."""
    settings = {
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_normalize": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "do_convert_rgb": True,
    }
    write_json(fixture.model / "preprocessor_config.json", settings | {"image_processor_type": "CLIPImageProcessor"})
    fixture.left_out(**{"preprocessor.do_rescale": True, "preprocessor.rescale_factor": 1 / 255})
    return CLIPImageProcessorPil(**settings)(pictures(fixture), return_tensors="pt")["pixel_values"]


def siglip_pixels(fixture: FixtureFolder, side: int) -> torch.Tensor:
    settings = {
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": HALF,
        "image_std": HALF,
    }
    write_json(fixture.model / "preprocessor_config.json", settings | {"image_processor_type": "SiglipImageProcessor"})
    return SiglipImageProcessorPil(**settings)(pictures(fixture), return_tensors="pt")["pixel_values"]


def pictures(fixture: FixtureFolder) -> list:
    seed = fixture.seed
    return [
        draw_picture(fixture, "wide.png", seed, 67, 29),
        draw_picture(fixture, "alpha.png", seed + 1, 30, 44, "RGBA"),
        draw_picture(fixture, "grey.png", seed + 2, 19, 17, "L"),
        draw_picture(fixture, "turned.jpg", seed + 3, 52, 33),
    ]


def finish(fixture, model_class, config, inputs, forward, *, renaming=(), gains=None, extra=None, prepare=None) -> None:
    """Draws weights, evaluates forward(model, inputs) -> (tensors, loss), saves, reloads and evaluates again."""
    model = build(model_class, config)
    draw(model, fixture.seed, {"q_proj|k_proj": 1.5} | (gains or {}))
    fixture.info["weights_seed"] = fixture.seed
    if prepare:
        prepare(model)

    def evaluate(candidate) -> dict:
        candidate.zero_grad(set_to_none=True)
        found, loss = forward(candidate, inputs)
        loss.backward()
        return stored(found | {"loss": loss.reshape(())} | gradients(fixture, candidate, renaming))

    fixture.inputs[""] = stored(inputs)
    fixture.expected[""] = evaluate(model)
    save_checkpoint(fixture, model, config, renaming, extra=extra)
    refuse_vanishing(fixture.expected[""])
    again = evaluate(reload(model_class, fixture.model, allowed=set(extra or ())))
    for name, value in fixture.expected[""].items():
        if relative_error(again[name], value) > 1e-6:
            raise RuntimeError(f"{fixture.name}: {name} differs after reloading")
    processed = {f"processed/{name}": inputs[name] for name in ("input_ids", "pixel_values") if name in inputs}
    fixture.expected[""] |= stored(processed)
    fixture.note(NOISE)


def both_towers(model, inputs: dict):
    out = model(**inputs, return_loss=True)
    found = {
        "logits_per_image": out.logits_per_image,
        "logits_per_text": out.logits_per_text,
        "image_embeds": out.image_embeds,
        "text_embeds": out.text_embeds,
        "text_last_hidden": out.text_model_output.last_hidden_state,
        "image_last_hidden": out.vision_model_output.last_hidden_state,
        "text_pooled": out.text_model_output.pooler_output,
        "image_pooled": out.vision_model_output.pooler_output,
    }
    return found, out.loss


def clip(fixture: FixtureFolder, *, text: dict, vision: dict, projection: int, length: int, published_end=True) -> None:
    """published_end: eos_token_id 2 in the text config, as in OpenAI's files, though the tokenizer's end token is another."""
    learnt = clip_style()
    begin, end = "<|startoftext|>", "<|endoftext|>"
    tokens = {"bos_token": begin, "eos_token": end, "pad_token": end, "unk_token": end}
    tokenizer = write_tokenizer(fixture, learnt, "CLIPTokenizer", tokens, settings={"model_max_length": length})
    end_id = 2 if published_end else learnt.token_to_id(end)
    text = {
        "model_type": "clip_text_model",
        "vocab_size": len(tokenizer),
        "max_position_embeddings": length,
        "bos_token_id": learnt.token_to_id(begin),
        "eos_token_id": end_id,
        "projection_dim": projection,
        **text,
    }
    vision = {"model_type": "clip_vision_model", "projection_dim": projection, **vision}
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": projection,
        "logit_scale_init_value": 2.6592,
        "text_config": text,
        "vision_config": vision,
    }
    for part, given in (("text_config", text), ("vision_config", vision)):
        missing = {name: value for name, value in CLIP_DEFAULTS.items() if name not in given}
        fixture.left_out(**{f"{part}.{name}": value for name, value in missing.items()})
    pixels = clip_pixels(fixture, vision["image_size"])
    texts = [*TEXTS, "an end <|endoftext|> then more"] if not published_end else [*TEXTS, "a drawing of the sun"]
    write_json(fixture.path / "texts.json", texts)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "pixel_values": pixels}
    positions = {
        "text_model.embeddings.position_ids": torch.arange(length)[None],
        "vision_model.embeddings.position_ids": torch.arange((vision["image_size"] // vision["patch_size"]) ** 2 + 1)[
            None
        ],
    }
    fixture.note(
        "texts are cut at max_position_embeddings (the end token stays), padded on the right with the end token and masked",
        "eos_token_id 2: the text vector is at the highest id, which is the first end token"
        if published_end
        else "eos_token_id is the end token: the text vector is at its first occurrence",
        "the file also holds integer position_ids, as published files do; they are not parameters",
    )
    finish(fixture, CLIPModel, config, inputs, both_towers, extra=positions)


def siglip(fixture: FixtureFolder, *, text: dict, vision: dict, length: int) -> None:
    learnt = unigram()
    tokens = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    settings = {"model_max_length": length, "do_lower_case": True}
    tokenizer = write_tokenizer(fixture, learnt, "SiglipTokenizer", tokens, settings=settings)
    text = {
        "model_type": "siglip_text_model",
        "vocab_size": len(tokenizer),
        "max_position_embeddings": length,
        "projection_size": vision["hidden_size"],
        **text,
    }
    vision = {"model_type": "siglip_vision_model", **vision}
    config = {"architectures": ["SiglipModel"], "model_type": "siglip", "text_config": text, "vision_config": vision}
    for part, given in (("text_config", text), ("vision_config", vision)):
        missing = {name: value for name, value in SIGLIP_DEFAULTS.items() if name not in given}
        fixture.left_out(**{f"{part}.{name}": value for name, value in missing.items()})
    pixels = siglip_pixels(fixture, vision["image_size"])
    texts = [*TEXTS, "a drawing ☃ of the sun and then a text that is far too long for so few positions"]
    write_json(fixture.path / "texts.json", texts)
    ids = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")["input_ids"]
    fixture.note(
        "texts are cut at and padded to max_position_embeddings with the pad token, which is </s>, and there is no mask",
        "the text vector is that of the last position, through text_model.head",
        "the snowman is not in the vocabulary: <unk>",
        "loss: sigmoid loss, sum over the matrix of pairs divided by the number of texts",
    )

    def prepare(model) -> None:
        with torch.no_grad():
            model.logit_scale.fill_(0.9)
            model.logit_bias.fill_(-0.7)

    finish(fixture, SiglipModel, config, {"input_ids": ids, "pixel_values": pixels}, both_towers, prepare=prepare)


def vision_tower(fixture: FixtureFolder, *, kind: str, settings: dict, renaming=()) -> None:
    """kind: "clip", "clip-projection" or "siglip". The loss is sum(output * upstream) over the outputs of the tower."""
    model_class, model_type, defaults = {
        "clip": (CLIPVisionModel, "clip_vision_model", CLIP_DEFAULTS),
        "clip-projection": (CLIPVisionModelWithProjection, "clip_vision_model", CLIP_DEFAULTS),
        "siglip": (SiglipVisionModel, "siglip_vision_model", SIGLIP_DEFAULTS),
    }[kind]
    config = {"architectures": [model_class.__name__], "model_type": model_type, **settings}
    fixture.left_out(**{name: value for name, value in defaults.items() if name not in config})
    side = settings["image_size"]
    pixels = siglip_pixels(fixture, side) if kind == "siglip" else clip_pixels(fixture, side)
    generator = torch.Generator().manual_seed(fixture.seed)
    tokens = (side // settings["patch_size"]) ** 2 + (kind != "siglip")
    inputs = {
        "pixel_values": pixels,
        "upstream_hidden": torch.randn(len(pixels), tokens, settings["hidden_size"], generator=generator),
        "upstream_pooled": torch.randn(
            len(pixels), settings.get("projection_dim", settings["hidden_size"]), generator=generator
        ),
    }

    def forward(model, given):
        out = model(pixel_values=given["pixel_values"], output_hidden_states=True)
        pooled = out.image_embeds if kind == "clip-projection" else out.pooler_output
        found = {
            "last_hidden": out.last_hidden_state,
            "image_embeds" if kind == "clip-projection" else "pooled": pooled,
        }
        found |= {f"hidden_states/{index}": state for index, state in enumerate(out.hidden_states)}
        loss = (out.last_hidden_state * given["upstream_hidden"]).sum() + (pooled * given["upstream_pooled"]).sum()
        return found, loss

    fixture.note(
        "upstream_* are no model inputs: loss = sum(last_hidden * upstream_hidden) + sum(pooled * upstream_pooled)",
        "hidden_states/0 is the input of the first layer, hidden_states/N the output of layer N before any final norm",
    )
    if kind != "siglip":
        fixture.note("CLIP's last_hidden is before post_layernorm, which only the class token goes through (pooled)")
    finish(fixture, model_class, config, inputs, forward, renaming=renaming)


def begin_bert(fixture: FixtureFolder, architecture: str, settings: dict, length: int) -> tuple:
    """Writes a tokenizer of words and their pieces; returns it, and the configuration of a model that reads what it gives."""
    tokens = {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    limits = {"model_max_length": length}
    tokenizer = write_tokenizer(fixture, word_piece(), "BertTokenizer", tokens, settings=limits)
    config = {
        "architectures": [architecture],
        "model_type": "bert",
        "vocab_size": len(tokenizer),
        "max_position_embeddings": length,
        "pad_token_id": 0,
        **settings,
    }
    fixture.left_out(**{name: value for name, value in BERT_DEFAULTS.items() if name not in config})
    return tokenizer, config


def bert(fixture: FixtureFolder, *, settings: dict, length: int, first_token=False, pairs=False, renaming=()) -> None:
    """first_token: vectors of sentences are the first token's, as the files of sentence-transformers beside the model say.

    The loss is sum(output * upstream) over hidden states, sentence vectors of length 1, and BERT's own pooling head.
    """
    tokenizer, config = begin_bert(fixture, "BertModel", settings, length)
    if first_token:
        kinds = (("", "Transformer"), ("1_Pooling", "Pooling"))
        modules = [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(kinds)
        ]
        write_json(fixture.model / "modules.json", modules)
        write_json(fixture.model / "sentence_bert_config.json", {"max_seq_length": length - 4, "do_lower_case": False})
        pooling = {"word_embedding_dimension": settings["hidden_size"]}
        modes = {"cls_token": True, "mean_tokens": False, "max_tokens": False, "mean_sqrt_len_tokens": False}
        pooling |= {f"pooling_mode_{mode}": on for mode, on in modes.items()}
        write_json(fixture.model / "1_Pooling" / "config.json", pooling)
        fixture.note("texts are cut at max_seq_length of sentence_bert_config.json, which is below model_max_length")
    texts = [*TEXTS, "Café, naïve: how many birds are in this picture of a mountain lake? ☃"]
    write_json(fixture.path / "texts.json", texts)
    longest = length - 4 if first_token else length
    seconds = ["what is it?", *texts[:-1]] if pairs else None
    batch = dict(tokenizer(texts, seconds, padding=True, truncation=True, max_length=longest, return_tensors="pt"))
    if pairs:
        types = [
            encoding.type_ids
            for encoding in tokenizer(texts, seconds, padding=True, truncation=True, max_length=longest).encodings
        ]
        batch["token_type_ids"] = torch.tensor(types)
    generator = torch.Generator().manual_seed(fixture.seed)
    rows, columns = batch["input_ids"].shape
    width = settings["hidden_size"]
    inputs = batch | {
        "upstream_hidden": torch.randn(rows, columns, width, generator=generator),
        "upstream_embeddings": torch.randn(rows, width, generator=generator),
        "upstream_pooler_output": torch.randn(rows, width, generator=generator),
    }
    inputs["upstream_hidden"] *= batch["attention_mask"][..., None]

    def forward(model, given):
        arguments = {name: value for name, value in given.items() if not name.startswith("upstream")}
        out = model(**arguments, output_hidden_states=True)
        last = out.last_hidden_state
        real = given["attention_mask"][..., None].float()
        pooled = last[:, 0] if first_token else (last * real).sum(1) / real.sum(1).clamp(min=1e-9)
        embeddings = torch.nn.functional.normalize(pooled, dim=1)
        found = {
            "last_hidden": last,
            "pooler_output": out.pooler_output,
            "pooled": pooled,
            "embeddings": embeddings,
            "similarities": embeddings @ embeddings.T,
        }
        loss = (last * given["upstream_hidden"]).sum() + (embeddings * given["upstream_embeddings"]).sum()
        return found, loss + (out.pooler_output * given["upstream_pooler_output"]).sum()

    fixture.note(
        "norms come after attention and perceptron; attention_mask hides padding, whose hidden states carry no meaning",
        "pooled is the mean of the real tokens, or the first one's state; embeddings are pooled at length 1",
        "upstream_* are no model inputs: loss = sum(last_hidden * upstream_hidden) + sum(embeddings * upstream_embeddings) "
        "+ sum(pooler_output * upstream_pooler_output)",
    )
    finish(fixture, BertModel, config, inputs, forward, renaming=renaming, gains={r"self\.(query|key)": 1.5})
