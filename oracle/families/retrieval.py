"""BLIP-2's first stage: contrast, matching with hard negatives, and captions, over the retrieval model of transformers."""

import re

import torch
from torch.nn.functional import cross_entropy, gelu, layer_norm, linear
from transformers import Blip2ForImageTextRetrieval

from kit.folder import FixtureFolder
from kit.numbers import settle
from kit.weights import build, draw, save_checkpoint

TEMPERATURE, SMOOTHING = 0.2, 0.1
SHOWN = r"query_tokens|itm_head|projection.weight|layer.0.*(query|intermediate|output).*weight|embeddings.word"
HEAD = ("transform.dense.weight", "transform.dense.bias", "transform.LayerNorm.weight", "transform.LayerNorm.bias", "bias")


def data(seed: int, config: dict) -> dict:
    random = torch.Generator().manual_seed(seed)
    vocabulary, width = config["qformer_config"]["vocab_size"], config["qformer_config"]["hidden_size"]
    side = config["vision_config"]["image_size"]
    ids = torch.randint(3, vocabulary, (3, 6), generator=random)
    present = torch.ones_like(ids)
    present[0, 4:] = 0
    ids = torch.where(present == 1, ids, 0)
    shapes = ((width, width), (width,), (width,), (width,), (vocabulary,))
    head = {
        f"qformer.cls.predictions.{name}": torch.randn(shape, generator=random) / width**0.5
        for name, shape in zip(HEAD, shapes, strict=True)
    }
    return {
        "pixel_values": torch.randn(3, 3, side, side, generator=random),
        **{"input_ids": ids, "attention_mask": present},
    } | head


def captions(model, inputs: dict, head: dict, features: torch.Tensor) -> torch.Tensor:
    """The loss of every next word, which sees the queries and the words before it; queries see no words."""
    queries = model.query_tokens.expand(len(features), -1, -1)
    count, length = queries.shape[1], inputs["input_ids"].shape[1]
    seen = torch.ones(count + length, count + length, dtype=torch.bool).tril()
    seen[:, :count] = True
    seen[:count, count:] = False
    there = torch.cat([torch.ones(len(features), count, dtype=torch.bool), inputs["attention_mask"] == 1], 1)
    blocked = torch.zeros(len(features), 1, count + length, count + length, dtype=features.dtype)
    blocked.masked_fill_(~(seen[None] & there[:, None])[:, None], -1e9)
    states = model.qformer(
        query_embeds=model.embeddings(input_ids=inputs["input_ids"], query_embeds=queries),
        query_length=count,
        attention_mask=blocked,
        encoder_hidden_states=features,
    )[0][:, count:]
    dense, bias, scale, shift, last = (head[f"qformer.cls.predictions.{name}"] for name in HEAD)
    inner = layer_norm(gelu(linear(states, dense, bias)), scale.shape, scale, shift, 1e-12)
    logits = linear(inner, model.embeddings.word_embeddings.weight, last)
    labels = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"], -100)
    return cross_entropy(logits[:, :-1].flatten(end_dim=1), labels[:, 1:].flatten())


def retrieval(fixture: FixtureFolder, *, vision: dict, qformer: dict, queries: int, projection: int) -> None:
    config = {
        "architectures": ["Blip2ForImageTextRetrieval"],
        "model_type": "blip-2",
        "image_text_hidden_size": projection,
        "image_token_index": None,
        "num_query_tokens": queries,
        "qformer_config": {"model_type": "blip_2_qformer", "use_qformer_text_input": True, **qformer},
        "vision_config": {"model_type": "blip_2_vision_model", **vision},
    }
    model = build(Blip2ForImageTextRetrieval, config)
    draw(model, fixture.seed, {"query_tokens": 3, "query|key": 1.5})
    save_checkpoint(fixture, model, config)

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        own = Blip2ForImageTextRetrieval.from_pretrained(fixture.model, dtype=dtype, attn_implementation="eager")
        own = own.to(dtype).eval()
        parameters = dict(own.named_parameters())
        head = {name: value.clone().requires_grad_() for name, value in inputs.items() if name.startswith("qformer.cls.")}
        given = {name: inputs[name] for name in ("pixel_values", "input_ids", "attention_mask")}
        found = own(**given)
        scores, places = found.logits_per_image / TEMPERATURE, torch.arange(len(given["input_ids"]))
        ways = (scores, scores.T)
        contrast = sum(cross_entropy(way, places, label_smoothing=SMOOTHING) for way in ways) / 2
        others = scores.detach().masked_fill(torch.eye(len(scores), dtype=torch.bool), float("-inf"))
        texts, pictures = others.argmax(1), others.argmax(0)
        rows = torch.cat([places, texts, places])
        judged = own(
            pixel_values=given["pixel_values"][torch.cat([places, places, pictures])],
            input_ids=given["input_ids"][rows],
            attention_mask=given["attention_mask"][rows],
            use_image_text_matching_head=True,
        ).logits_per_image
        match = cross_entropy(judged, (torch.arange(len(rows)) < len(places)).long())
        caption = captions(own, inputs, head, own.vision_model(given["pixel_values"])[0])
        outputs = {"image_embeds": found.image_embeds, "text_embeds": found.text_embeds}
        outputs |= {"logits_per_image": found.logits_per_image, "itm_logits": judged[: len(places)]}
        outputs |= {"loss.contrast": contrast, "loss.match": match, "loss.caption": caption}
        by = parameters | head
        slopes = torch.autograd.grad(contrast + match + caption, list(by.values()), allow_unused=True)
        named = {name: slope for name, slope in zip(by, slopes, strict=True) if slope is not None and shown(name)}
        return {name: value.detach() for name, value in outputs.items()} | {f"grad.{k}": v for k, v in named.items()}

    fixture.info["settings"] = {"temperature": TEMPERATURE, "smoothing": SMOOTHING}
    fixture.note(
        "loss.contrast: cosines of each picture's best query, divided by the temperature, both ways, smoothed",
        "loss.match: pairs, then each picture with the text most like its own, then each text with such a picture",
        "loss.caption: words see queries and earlier words; qformer.cls.* are the parameters of their head, in no checkpoint",
        "grad.* are of the sum of the three",
    )
    settle(fixture, data(fixture.seed + 1, config), compute)


def shown(name: str) -> bool:
    return name.startswith("qformer.cls.") or re.search(SHOWN, name) is not None
