"""The course of every fixture with a language-model head: find weights, answer greedily, take gradients, save, reload."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from transformers import GenerationConfig

from .folder import FixtureFolder, relative_error, stored, write_json
from .weights import NOISE, Renaming, build, draw, gradients, refuse_vanishing, reload, save_checkpoint

SMALLEST_MARGIN = 1e-3  # between the best and the second logit at every greedy step
PADDED = (
    "inputs2 is a batch of two prompts padded on the left; logits and last_hidden at padded positions carry no meaning"
)
PROCESSED = ("input_ids", "pixel_values")


@dataclass
class Course:
    """What one fixture does with a model; `features(model, inputs)` gives image_features."""

    model_class: type
    config: dict
    tokenizer: object
    forbidden: set[int]  # ids that no answer may contain: specials, image tokens
    renaming: Renaming = ()
    gains: dict[str, float] = field(default_factory=dict)
    dtype: torch.dtype | None = None
    shards: int = 1
    new_tokens: int = 16
    features: Callable | None = None
    prepare: Callable | None = None  # (model), before its weights are drawn
    accept: Callable | None = None  # (model) -> margin of greedy choices beyond the answers
    with_hidden: bool = True
    extra: dict = field(default_factory=dict)  # tensors of the file that are no parameters, by their names there
    generation: dict = field(default_factory=dict)


def answer(course: Course, model, inputs: dict) -> tuple[torch.Tensor, float]:
    """Greedy sequences [rows, prompt + new] and the smallest margin; the margin is 0 for an answer of no use."""
    # generate counts positions over the mask by itself, and begins to write by itself
    forward_only = ("labels", "position_ids", "decoder_input_ids")
    given = {name: value for name, value in inputs.items() if name not in forward_only}
    with torch.no_grad():
        out = model.generate(
            **given,
            do_sample=False,
            num_beams=1,
            max_new_tokens=course.new_tokens,
            use_cache=True,
            return_dict_in_generate=True,
            output_scores=True,
        )
    margin = math.inf
    for scores in out.scores:
        best, second = scores.topk(2, dim=-1).values.unbind(-1)
        margin = min(margin, (best - second).min().item())
    for row in out.sequences[:, -course.new_tokens :].tolist():
        outside = course.forbidden & set(row) or max(row) >= len(course.tokenizer)
        if len(out.scores) < course.new_tokens or len(set(row)) < 4 or outside:
            return out.sequences, 0.0
    return out.sequences, margin


def find_weights(fixture: FixtureFolder, course: Course, model, sets: dict, attempts: int = 400) -> None:
    """Draws weights, seed after seed, until every answer is usable and every margin is wide."""
    for attempt in range(attempts):
        seed = fixture.seed + 1000 * attempt
        draw(model, seed, course.gains, course.dtype)
        margin = math.inf
        for inputs in sets.values():
            margin = min(margin, answer(course, model, inputs)[1])
            if margin <= SMALLEST_MARGIN:
                break
        if margin > SMALLEST_MARGIN and course.accept:
            with torch.no_grad():
                margin = min(margin, course.accept(model))
        if margin > SMALLEST_MARGIN:
            generated = {"max_new_tokens": course.new_tokens, "do_sample": False, "min_margin": round(margin, 6)}
            fixture.info |= {"weights_seed": seed, "generate": generated}
            return
    raise RuntimeError(f"{fixture.name}: no usable weights in {attempts} attempts")


def evaluate(fixture: FixtureFolder, course: Course, model, inputs: dict) -> dict:
    """Everything expected of one set; loss and gradients when the set holds labels."""
    model.zero_grad(set_to_none=True)
    out = model(**inputs, output_hidden_states=course.with_hidden, return_dict=True)
    found = {"logits": out.logits}
    if course.with_hidden and model.config.is_encoder_decoder:
        found["last_hidden"] = out.decoder_hidden_states[-1]
        found["encoder_last_hidden"] = out.encoder_last_hidden_state
    elif course.with_hidden:
        found["last_hidden"] = out.hidden_states[-1]
    if "labels" in inputs:
        found["loss"] = out.loss.reshape(())
        out.loss.backward()
        found |= gradients(fixture, model, course.renaming)
    with torch.no_grad():
        if course.features:
            found["image_features"] = course.features(model, inputs)
    found["sequences"], _ = answer(course, model, inputs)
    return stored(found)


def labelled(inputs: dict, forbidden: set[int]) -> torch.Tensor:
    """Labels: the ids themselves, without the first three, the specials and the padding."""
    ids = inputs["input_ids"]
    labels = ids.clone()
    labels[:, :3] = -100
    labels[torch.isin(ids, torch.tensor(sorted(forbidden)))] = -100
    labels[inputs["attention_mask"] == 0] = -100
    return labels


def run(fixture: FixtureFolder, course: Course, sets: dict[str, dict]) -> None:
    """Fills the folder. sets: suffix -> tensors from the processor; "" has or gets labels, loss and gradients."""
    model = build(course.model_class, course.config)
    if course.prepare:
        course.prepare(model)
    ids = {"bos_token_id", "eos_token_id", "pad_token_id"}
    generation = {name: course.generation.get(name) for name in sorted(ids)} | course.generation
    write_json(fixture.model / "generation_config.json", generation)
    model.generation_config = GenerationConfig(**generation)
    find_weights(fixture, course, model, sets)
    for suffix, given in sets.items():
        inputs = dict(given)
        if suffix == "" and "labels" not in inputs:
            inputs["labels"] = labelled(inputs, course.forbidden)
        fixture.inputs[suffix] = stored(inputs)
        fixture.expected[suffix] = evaluate(fixture, course, model, inputs)
        new = fixture.expected[suffix]["sequences"][:, -course.new_tokens :]
        texts = [course.tokenizer.decode(row, skip_special_tokens=True) for row in new]
        fixture.texts[f"answer_text{suffix}"] = texts[0] if len(texts) == 1 else texts
    save_checkpoint(
        fixture, model, course.config, course.renaming, dtype=course.dtype, shards=course.shards, extra=course.extra
    )
    verify(fixture, course)
    refuse_vanishing(fixture.expected[""])
    fixture.note(NOISE)
    for suffix, given in sets.items():
        processed = {f"processed/{name}": given[name] for name in PROCESSED if name in given}
        fixture.expected[suffix] |= stored(processed)


def verify(fixture: FixtureFolder, course: Course) -> None:
    """The files alone must give every number again."""
    model = reload(course.model_class, fixture.model, course.extra.keys())
    for suffix, inputs in fixture.inputs.items():
        again = evaluate(fixture, course, model, inputs)
        for name, value in fixture.expected[suffix].items():
            error = relative_error(again[name], value)
            if error > 1e-6:
                raise RuntimeError(f"{fixture.name}: {name}{suffix} differs by {error:.1e} after reloading")


def user(*parts: str) -> list[dict]:
    """One chat of one user message; parts that end in .png or .jpg are pictures of media/."""
    content = [
        {"type": "image", "path": f"media/{part}"}
        if part.endswith((".png", ".jpg"))
        else {"type": "text", "text": part}
        for part in parts
    ]
    return [{"role": "user", "content": content}]


def prompt(fixture: FixtureFolder, tokenizer, chats: list, suffix: str = "") -> list[str]:
    """Writes messages<suffix>.json and the rendered prompts; a single chat is written without the outer list."""
    rendered = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    check_letters(tokenizer, rendered)
    write_json(fixture.path / f"messages{suffix}.json", chats[0] if len(chats) == 1 else chats)
    fixture.texts[f"prompt_text{suffix}"] = rendered[0] if len(rendered) == 1 else rendered
    return rendered


def check_letters(tokenizer, texts: list[str]) -> None:
    """Small vocabularies lack letters; a prompt that loses one would make tokenizers differ where published ones agree."""
    for text in texts:
        decoded = tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"])
        if "".join(decoded.split()) != "".join(text.split()):
            raise ValueError(f"the tokenizer makes {decoded!r} of {text!r}")
