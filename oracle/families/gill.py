"""GILL: OPT and CLIP of transformers, Stable Diffusion's text encoder, and what lies between them as in the paper."""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPVisionModel, OPTForCausalLM

from kit.folder import FixtureFolder, stored, write_json
from kit.weights import NOISE, build, draw, published

from .diffusion import write_pipeline

VISION_NAMES = ((r"(?!vision_model\.)", "vision_model."),)
TEXT_NAMES = ((r"(?!text_model\.)", "text_model."),)


class Mapper(nn.Module):
    """Koh et al., 2023, section 3.2: learned queries read the signal tokens through a small transformer."""

    def __init__(self, width: int, inner: int, out: int, *, queries: int, depth: int, heads: int):
        super().__init__()
        self.fc = nn.Linear(width, inner)
        self.tfm = nn.Transformer(inner, heads, depth, depth, 4 * inner, dropout=0.0, batch_first=True, norm_first=True)
        self.model = nn.Linear(inner, out)
        self.query_embs = nn.Parameter(torch.zeros(1, queries, inner))

    def forward(self, states: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        queries = self.query_embs.expand(len(states), -1, -1)
        return self.model(self.tfm(self.fc(states + embeddings), queries))


class Between(nn.Module):
    """What learns."""

    def __init__(self, *, width: int, seen: int, out: int, common: int, image_tokens: int, mapper: dict):
        super().__init__()
        self.visual_embeddings = nn.Linear(seen, width * image_tokens)
        self.visual_fc = nn.Linear(seen, common)
        self.gen_text_hidden_fcs = nn.ModuleList([Mapper(width, mapper["inner"], out, **mapper["shape"])])
        said = nn.Module()
        said.model = nn.Linear(width, common)
        self.ret_text_hidden_fcs = nn.ModuleList([said])
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())


def gill(
    fixture: FixtureFolder, *, text: dict, vision: dict, inner: dict, common: int, signals: int, parts: dict
) -> None:
    """inner: `inner` (width) and `shape` of the mapper. parts: arguments of write_pipeline."""
    seed, words = fixture.seed, text["vocab_size"] - signals - 1
    generator, generator_config = generator_of(fixture, parts)
    text = {"model_type": "opt", **text}
    vision = {"model_type": "clip_vision_model", **vision}
    lm, eye = build(OPTForCausalLM, text), build(CLIPVisionModel, vision)
    encoder = build(CLIPTextModel, generator_config["text_encoder"])
    between = Between(
        width=text["hidden_size"],
        seen=vision["hidden_size"],
        out=generator_config["unet"]["cross_attention_dim"],
        common=common,
        image_tokens=2,
        mapper=inner,
    ).eval()
    draw(lm, seed, {"q_proj|k_proj": 1.5, "embed_tokens": 1.6})
    draw(eye, seed + 1)
    draw(between, seed + 2)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            parameter.copy_(generator[f"generator.text_encoder.{published(name, TEXT_NAMES)}"])

    named = {f"lm.{name}": value for name, value in lm.named_parameters()}
    named |= {f"visual_model.{published(name, VISION_NAMES)}": value for name, value in eye.named_parameters()}
    named |= dict(between.named_parameters())
    save_file(stored(named) | generator, fixture.model / "model.safetensors", metadata={"format": "pt"})
    write_json(
        fixture.model / "config.json",
        {
            "model_type": "gill",
            "text_config": text,
            "vision_config": vision,
            "mapper_config": {
                "num_output_tokens": inner["shape"]["queries"],
                "hidden_size": inner["inner"],
                "num_hidden_layers": inner["shape"]["depth"],
                "num_attention_heads": inner["shape"]["heads"],
            },
            "generator_config": generator_config,
            "image_tokens": 2,
            "image_token_id": words,
            "signal_token_id": words + 1,
            "signal_tokens": signals,
            "projection_dim": common,
        },
    )

    given = inputs_of(seed, words=words, signals=signals, image=vision["image_size"], texts=encoder.config)
    found = forward(given, lm=lm, eye=eye, between=between, encoder=encoder, image_token=words, signals=signals)
    generator = torch.Generator().manual_seed(seed + 9)
    upstream = {
        f"upstream_{name}": torch.randn(found[name].shape, generator=generator)
        for name in ("image_condition", "said_embeds", "image_embeds")
    }
    sum((found[name.removeprefix("upstream_")] * value).sum() for name, value in upstream.items()).backward()
    gradients = {f"grad/{name}": value.grad for name, value in named.items() if value.grad is not None}
    ids = given["input_ids"]
    labels = ids.masked_fill((given["attention_mask"] == 0) | (ids == words), -100)
    scores = found["logits"][:, :-1].flatten(0, 1)
    shifted = functional.cross_entropy(scores, labels[:, 1:].flatten(), ignore_index=-100)
    fixture.inputs = {"": given | upstream, "2": given | {"labels": labels}}
    fixture.expected = {"": found | gradients, "2": found | {"loss": shifted}}
    fixture.note(
        "rows with signal tokens come first: caption_ids and upstream tensors are theirs",
        "the loss behind the gradients is the sum of outputs times upstream tensors",
        NOISE,
    )


def generator_of(fixture: FixtureFolder, parts: dict) -> tuple[dict, dict]:
    """Tensors and configurations of a pipeline, which is not kept as a folder of its own."""
    pipeline = FixtureFolder(fixture.path, "pipeline", fixture.family, "", fixture.seed + 3)
    write_pipeline(pipeline, **parts)
    folder = pipeline.model
    networks = ("text_encoder", "unet", "vae")
    configs = {name: json.loads((folder / name / "config.json").read_text()) for name in networks}
    configs["scheduler"] = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    tensors = {}
    for name in networks:
        for file in (folder / name).glob("*.safetensors"):
            tensors |= {f"generator.{name}.{key}": value.float() for key, value in load_file(file).items()}
    shutil.rmtree(pipeline.path)
    return tensors, configs


def inputs_of(seed: int, *, words: int, signals: int, image: int, texts) -> dict:
    generator = torch.Generator().manual_seed(seed + 8)
    length = 11
    rows = torch.randint(4, words, (4, length), generator=generator)
    present = torch.ones(4, length, dtype=torch.long)
    said = torch.arange(words + 1, words + 1 + signals)
    for row, at in ((0, 5), (1, 3)):  # the second one is shorter: padding follows
        rows[row, at : at + signals] = said
        rows[row, at + signals :], present[row, at + signals :] = 1, 0
    rows[2:, :2] = words
    captions = torch.randint(3, texts.vocab_size, (2, texts.max_position_embeddings), generator=generator)
    pixels = torch.randn(2, 3, image, image, generator=generator)
    return {"input_ids": rows, "attention_mask": present, "caption_ids": captions, "pixel_values": pixels}


def forward(given: dict, *, lm, eye, between, encoder, image_token: int, signals: int) -> dict:
    ids = given["input_ids"]
    seen = eye(pixel_values=given["pixel_values"]).pooler_output
    features = between.visual_embeddings(seen).view(len(seen), 2, -1)
    embeddings = lm.get_input_embeddings()(ids)
    marked = (ids == image_token).unsqueeze(-1).expand_as(embeddings)
    embeddings = embeddings.masked_scatter(marked, features)
    result = lm(inputs_embeds=embeddings, attention_mask=given["attention_mask"], output_hidden_states=True)
    hidden = result.hidden_states[-1]
    count = len(given["caption_ids"])
    first = (ids[:count] == image_token + 1).int().argmax(dim=1)
    places = first.unsqueeze(1) + torch.arange(signals)
    rows = torch.arange(count).unsqueeze(1)
    states, own = hidden[rows, places], embeddings[rows, places]
    condition = between.gen_text_hidden_fcs[0](states, own)
    said = functional.normalize(between.ret_text_hidden_fcs[0].model(states[:, 0]), dim=-1)
    pictures = functional.normalize(between.visual_fc(seen), dim=-1)
    scores = between.logit_scale.exp() * said @ pictures.T
    target = torch.arange(count)
    with torch.no_grad():
        texts = encoder(input_ids=given["caption_ids"]).last_hidden_state[:, : condition.shape[1]]
    return {
        "image_features": features,
        "last_hidden": hidden,
        "logits": result.logits,
        "image_condition": condition,
        "said_embeds": said,
        "image_embeds": pictures,
        "retrieval_scores": scores,
        "retrieval_loss": (functional.cross_entropy(scores, target) + functional.cross_entropy(scores.T, target)) / 2,
        "alignment_loss": functional.mse_loss(condition, texts),
    }
