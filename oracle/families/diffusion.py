"""Stable Diffusion in the layout of diffusers, VQ and KL autoencoders, gradients into the text condition."""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel, VQModel
from safetensors.torch import save_file
from torch.nn.functional import gelu, linear, mse_loss
from transformers import CLIPTextModel, CLIPTokenizer

from kit.folder import FixtureFolder, relative_error, stored, write_json
from kit.numbers import settle
from kit.vocabulary import clip_style
from kit.weights import build, draw, save_checkpoint

from .schedulers import make_scheduler, trajectory

FILE = "diffusion_pytorch_model.safetensors"


def save_part(model, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """config.json and weights of a diffusers model, without the version-dependent rest of save_pretrained."""
    model.save_config(folder)
    config = {
        name: value for name, value in json.loads((folder / "config.json").read_text()).items() if value is not None
    }
    write_json(folder / "config.json", config)
    tensors = {name: value.to(dtype) for name, value in sorted(model.state_dict().items())}
    save_file(stored(tensors), folder / FILE, metadata={"format": "pt"})


def write_pipeline(
    fixture: FixtureFolder, *, unet: dict, vae: dict, text: dict, scheduler: dict, length: int, dtype=torch.float32
) -> None:
    """model/: tokenizer (vocab.json, merges.txt), text_encoder, unet, vae, scheduler, model_index.json."""
    model, seed = fixture.model, fixture.seed
    ids = write_tokenizer_files(model / "tokenizer", length)
    text = {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": ids["vocab_size"],
        "max_position_embeddings": length,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
        **text,
    }
    encoder = build(CLIPTextModel, text)
    draw(encoder, seed + 1, dtype=dtype)
    names = ((r"(?!text_model\.)", "text_model."),)
    save_checkpoint(fixture, encoder, text, names, dtype=dtype, folder=model / "text_encoder")
    parts = {"unet": UNet2DConditionModel(**unet), "vae": AutoencoderKL(**vae)}
    for offset, (name, part) in enumerate(parts.items()):
        draw(part, seed + 2 + offset, {r"decoder\.conv_out|^conv_out": 0.6}, dtype=dtype)
        save_part(part, model / name, dtype)
    make_scheduler(scheduler).save_config(model / "scheduler")
    components = {
        "scheduler": ["diffusers", scheduler["class"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    absent = {"feature_extractor": [None, None], "image_encoder": [None, None], "safety_checker": [None, None]}
    write_json(
        model / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": diffusers.__version__,
            **absent,
            "requires_safety_checker": False,
            **components,
        },
    )
    del fixture.info["parameters"]  # of the text encoder alone
    fixture.left_out(**{"text_encoder.layer_norm_eps": 1e-5, "unet.norm_eps": 1e-5, "vae group norm eps": 1e-6})
    fixture.note(
        "UNet: attention_head_dim is the number of heads; group norms before its transformers have eps 1e-6",
        "the text encoder's eos_token_id 2 is as published and not the tokenizer's: the pooled state is that of the highest id",
        "fields that diffusers writes as null are left out of the config files",
    )


def write_tokenizer_files(folder: Path, length: int) -> dict:
    folder.mkdir(parents=True)
    model = json.loads(clip_style().to_str())["model"]
    write_json(folder / "vocab.json", model["vocab"])
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    end = "<|endoftext|>"
    tokens = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": end}
    settings = {"model_max_length": length, "do_lower_case": True, "tokenizer_class": "CLIPTokenizer"}
    write_json(folder / "tokenizer_config.json", tokens | settings)
    write_json(folder / "special_tokens_map.json", tokens)
    return {"vocab_size": len(model["vocab"])}


def open_parts(fixture: FixtureFolder, dtype: torch.dtype) -> dict:
    folder = fixture.model
    parts = {
        "unet": UNet2DConditionModel.from_pretrained(folder, subfolder="unet", dtype=dtype),
        "vae": AutoencoderKL.from_pretrained(folder, subfolder="vae", dtype=dtype),
        "text": CLIPTextModel.from_pretrained(
            folder, subfolder="text_encoder", dtype=dtype, attn_implementation="eager"
        ),
    }
    for part in parts.values():
        part.eval().requires_grad_(False)
    return parts | {"tokenizer": CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")}


def encode_texts(parts: dict, texts: list[str]) -> torch.Tensor:
    length = parts["tokenizer"].model_max_length
    batch = parts["tokenizer"](texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return batch.input_ids


def stable_diffusion(
    fixture: FixtureFolder, *, parts: dict, schedulers: dict, steps: int, guidance: float, prompt: str, negative: str
) -> None:
    """parts: arguments of write_pipeline; schedulers: name -> {"class", **config}; the first one gives the image."""
    write_pipeline(fixture, **parts)
    random = torch.Generator().manual_seed(fixture.seed)
    side, channels = parts["unet"]["sample_size"], parts["vae"]["latent_channels"]
    pixels = side * 2 ** (len(parts["vae"]["block_out_channels"]) - 1)
    latents = (1, channels, side, side)
    inputs = {
        "sample": torch.randn(2, channels, side, side, generator=random),
        "timestep": torch.tensor([903, 7]),
        "encoder_hidden_states": torch.randn(2, 5, parts["unet"]["cross_attention_dim"], generator=random),
        "image": torch.rand(1, 3, pixels, pixels, generator=random) * 2 - 1,
        "posterior_noise": torch.randn(latents, generator=random),
        "noise": torch.randn(latents, generator=random),
        "noises": given_noises(fixture.seed, latents, steps),
        "wide.sample": torch.randn(2, channels, side - 1, side - 3, generator=random),
        "wide.image": torch.rand(1, 3, pixels - 4, pixels + 4, generator=random) * 2 - 1,
        "wide.posterior_noise": torch.randn(1, channels, side - 2, side + 2, generator=random),
        "wide.noise": torch.randn(1, channels, side, side + 4, generator=random),
    }

    def compute(given: dict, dtype: torch.dtype) -> dict:
        opened = open_parts(fixture, dtype)
        unet, vae = opened["unet"], opened["vae"]
        ids = encode_texts(opened, [negative, prompt])
        with torch.no_grad():
            states = opened["text"](ids)
            found = {
                "text.input_ids": ids,
                "text.last_hidden_state": states.last_hidden_state,
                "text.pooler_output": states.pooler_output,
            }
            for size in ("", "wide."):
                posterior = vae.encode(given[f"{size}image"]).latent_dist
                sampled = posterior.mean + posterior.std * given[f"{size}posterior_noise"]
                noisy = given[f"{size}sample"]
                found |= {
                    f"{size}unet.sample": unet(noisy, given["timestep"], given["encoder_hidden_states"]).sample,
                    f"{size}vae.mean": posterior.mean,
                    f"{size}vae.logvar": posterior.logvar,
                    f"{size}vae.sampled": sampled,
                    f"{size}vae.decoded": vae.decode(sampled).sample,
                }

            def guided(_: int, timestep: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
                both = unet(torch.cat([x, x]).to(dtype), timestep, states.last_hidden_state).sample
                unconditional, conditional = both.chunk(2)
                return unconditional + guidance * (conditional - unconditional)

            for name, settings in schedulers.items():
                scheduler = make_scheduler(settings)
                found[f"latents.{name}"] = trajectory(scheduler, steps, given["noise"], guided, seed=fixture.seed)
                found[f"tables.{name}.timesteps"] = scheduler.timesteps.float()
                if hasattr(scheduler, "sigmas"):
                    found[f"tables.{name}.sigmas"] = scheduler.sigmas.float()
            first = next(iter(schedulers))
            noise, scheduler = given["wide.noise"], make_scheduler(schedulers[first])
            found["wide.latents"] = trajectory(scheduler, steps, noise, guided, seed=fixture.seed)
            for size, passed in (("", f"latents.{first}"), ("wide.", "wide.latents")):
                decoded = vae.decode(found[passed][-1].to(dtype) / vae.config.scaling_factor).sample
                found |= {f"{size}decoded": decoded, f"{size}final_image": (decoded / 2 + 0.5).clamp(0, 1)}
        return found

    fixture.info["settings"] = {
        "steps": steps,
        "guidance": guidance,
        "prompt": prompt,
        "negative": negative,
        "schedulers": schedulers,
    }
    fixture.note(
        "guided = uncond + guidance * (cond - uncond); the batch is [uncond, cond]",
        "texts are padded to model_max_length with the end token; the encoder gets no padding mask",
        "latents.<scheduler>[i] are after step i, starting from noise * init_noise_sigma; noises[i] is the noise of step i",
        f"image: clamp(decode(latents.{next(iter(schedulers))}[-1] / scaling_factor) / 2 + 0.5, 0, 1); decoded is before",
        "vae.decoded decodes vae.sampled as it is; vae.logvar is clamped to [-30, 20]",
        "wide.*: the same from tensors of other heights and widths than sample_size",
    )
    settle(fixture, inputs, compute)
    for size in ("", "wide."):
        check_pipeline(fixture, steps, guidance, prompt, negative, size)


def check_pipeline(fixture, steps: int, guidance: float, prompt: str, negative: str, size: str) -> None:
    """The library's own pipeline must draw the same picture from the files."""
    expected = fixture.expected[""][f"{size}final_image"]
    pipeline = StableDiffusionPipeline.from_pretrained(fixture.model, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(
        prompt,
        negative_prompt=negative,
        num_inference_steps=steps,
        guidance_scale=guidance,
        latents=fixture.inputs[""][f"{size}noise"].clone(),
        output_type="pt",
        height=expected.shape[2],
        width=expected.shape[3],
    ).images
    error = relative_error(picture, expected)
    if error > 1e-5:
        raise RuntimeError(f"{fixture.name}: the library's pipeline differs by {error:.1e}")


def given_noises(seed: int, shape: tuple, count: int) -> torch.Tensor:
    """What a scheduler draws, one after another, from a generator with this seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(shape, generator=generator) for _ in range(count)])


def vq_vae(fixture: FixtureFolder, *, vq: dict, vae: dict, kl_weight: float) -> None:
    """model/vqvae and model/vae; gradients by latent, picture and some parameters of the KL autoencoder."""
    codes, kl = VQModel(**vq), AutoencoderKL(**vae)
    draw(codes, fixture.seed, {"quantize": 2.0})
    draw(kl, fixture.seed + 1)
    save_part(codes, fixture.model / "vqvae")
    save_part(kl, fixture.model / "vae")
    random = torch.Generator().manual_seed(fixture.seed)
    pixels, channels = vq["sample_size"], vae["latent_channels"]
    side = pixels // 2 ** (len(vae["block_out_channels"]) - 1)
    inputs = {
        "image": torch.rand(2, 3, pixels, pixels, generator=random) * 2 - 1,
        "target": torch.randn(2, 3, pixels, pixels, generator=random),
        "latent": torch.randn(2, channels, side, side, generator=random),
        "noise": torch.randn(2, channels, side, side, generator=random),
    }

    def compute(given: dict, dtype: torch.dtype) -> dict:
        vq_model = VQModel.from_pretrained(fixture.model / "vqvae", dtype=dtype).eval()
        vae_model = AutoencoderKL.from_pretrained(fixture.model / "vae", dtype=dtype).eval()
        encoded = vq_model.encode(given["image"]).latents
        _, codebook_loss, (_, _, indices) = vq_model.quantize(encoded)
        rows = encoded.permute(0, 2, 3, 1).flatten(end_dim=2)
        nearest = torch.cdist(rows, vq_model.quantize.embedding.weight).topk(2, largest=False).values
        found = {
            "encoded": encoded,
            "indices": indices.view(2, -1),
            "index_margins": (nearest[:, 1] - nearest[:, 0]).min(),
            "codebook_loss": codebook_loss,
            "decoded": vq_model.decode(encoded).sample,
        }
        latent = given["latent"].clone().requires_grad_(True)
        decoded = vae_model.decode(latent).sample
        loss = mse_loss(decoded, given["target"])
        found |= {"vae.decoded": decoded, "vae.loss": loss, "vae.grad_latent": torch.autograd.grad(loss, latent)[0]}
        image = given["image"].clone().requires_grad_(True)
        posterior = vae_model.encode(image).latent_dist
        rebuilt = vae_model.decode(posterior.mean + posterior.std * given["noise"]).sample
        divergence = posterior.kl().mean()
        total = (rebuilt - given["image"]).abs().mean() + kl_weight * divergence
        total.backward()
        found |= {"autoencoder.loss": total, "autoencoder.kl": divergence, "autoencoder.grad_image": image.grad}
        return found | {
            f"autoencoder.grad.{name}": parameter.grad
            for name, parameter in vae_model.named_parameters()
            if "to_k.bias" not in name  # zero in exact arithmetic
        }

    fixture.info["settings"] = {"vq": vq, "vae": vae, "kl_weight": kl_weight}
    fixture.note(
        "indices run row by row over the latent map; the nearest code is by squared distance, nothing is normalised",
        "index_margins: smallest gap between the two nearest distances",
        "vae.loss: mean of (decode(latent) - target)^2",
        "autoencoder.loss: mean |rebuilt - image| + kl_weight * KL, KL = 0.5 sum(mean^2 + var - 1 - logvar) of a picture, "
        "averaged over the batch; rebuilt from mean + std * noise; the image in the absolute error takes no gradient",
    )
    settle(fixture, inputs, compute)
    if fixture.expected[""]["index_margins"].item() < 1e-3:
        raise RuntimeError(f"{fixture.name}: two codes are too near")


def conditioning(
    fixture: FixtureFolder, *, parts: dict, tokens: int, hidden: int, inner: int, steps: int, lr: float
) -> None:
    """The diffusion loss by the text condition through a frozen UNet, and an output projector trained by it."""
    write_pipeline(fixture, **parts)
    random = torch.Generator().manual_seed(fixture.seed)
    side, channels = parts["unet"]["sample_size"], parts["unet"]["in_channels"]
    width = parts["unet"]["cross_attention_dim"]
    inputs = {
        "x0": torch.randn(2, channels, side, side, generator=random),
        "noise": torch.randn(2, channels, side, side, generator=random),
        "timesteps": torch.tensor([31, 640]),
        "condition": torch.randn(2, tokens, width, generator=random),
        "hidden": torch.randn(2, tokens, hidden, generator=random),
        "W1": torch.randn(inner, hidden, generator=random) / hidden**0.5,
        "b1": torch.randn(inner, generator=random) / 10,
        "W2": torch.randn(width, inner, generator=random) / inner**0.5,
        "b2": torch.randn(width, generator=random) / 10,
        "placeholder": torch.tensor(20),
    }

    def compute(given: dict, dtype: torch.dtype) -> dict:
        opened = open_parts(fixture, dtype)
        noisy = make_scheduler(parts["scheduler"]).add_noise(given["x0"], given["noise"], given["timesteps"])

        def diffusion_loss(condition: torch.Tensor) -> torch.Tensor:
            return mse_loss(opened["unet"](noisy, given["timesteps"], condition).sample, given["noise"])

        condition = given["condition"].clone().requires_grad_(True)
        loss = diffusion_loss(condition)
        found = {
            "noisy": noisy,
            "loss_diffusion": loss,
            "grad.condition": torch.autograd.grad(loss, condition)[0],
            "input_ids": encode_texts(opened, ["a photo of the moon", "the lake"]),
        }
        states = opened["text"](found["input_ids"]).last_hidden_state[:, :tokens]
        weights = {name: given[name].clone().requires_grad_(True) for name in ("W1", "b1", "W2", "b2")}

        def project(x: torch.Tensor) -> torch.Tensor:
            return linear(gelu(linear(x, weights["W1"], weights["b1"])), weights["W2"], weights["b2"])

        x = given["hidden"].clone().requires_grad_(True)
        projected = project(x)
        align = mse_loss(projected, states)
        total = align + diffusion_loss(projected)
        gradients = torch.autograd.grad(total, [x, *weights.values()])
        found |= {"text_states": states, "projected": projected, "loss_align": align, "loss_total": total}
        found |= {f"grad.{name}": value for name, value in zip(("hidden", *weights), gradients, strict=True)}
        optimizer = torch.optim.AdamW(weights.values(), lr=lr, weight_decay=0.0, foreach=False)
        curve = []
        for _ in range(steps):
            optimizer.zero_grad()
            projected = project(given["hidden"])
            curve.append(mse_loss(projected, states) + diffusion_loss(projected))
            curve[-1].backward()
            optimizer.step()
        found |= {"curve": torch.stack(curve).detach()}
        found |= {f"final.{name}": value.detach() for name, value in weights.items()}
        return found | inversion(opened, found["input_ids"], given["placeholder"], diffusion_loss)

    fixture.info["settings"] = {"tokens": tokens, "hidden": hidden, "inner": inner, "steps": steps, "lr": lr}
    fixture.note(
        "noisy: add_noise(x0, noise, timesteps); loss_diffusion: mean (unet(noisy, timesteps, condition) - noise)^2; "
        "everything in model/ is frozen",
        "projector: W2 gelu(W1 h + b1) + b2 (exact gelu); loss_align: mean (projected - text_states)^2, text_states being "
        "the first tokens of the text encoder's states; loss_total: loss_align + the diffusion loss of projected",
        "curve and final.*: AdamW (0.9, 0.999, 1e-8, no decay) at a constant rate on loss_total, always the same batch",
        "inversion: the fourth id of every text is the placeholder; gradient by its row of the token embedding",
    )
    settle(fixture, inputs, compute)


def inversion(opened: dict, ids: torch.Tensor, placeholder: torch.Tensor, diffusion_loss) -> dict:
    """Textual inversion: the diffusion loss by one row of the token embedding, through the text encoder."""
    changed = ids.clone()
    changed[:, 3] = placeholder
    table = opened["text"].get_input_embeddings().weight.requires_grad_(True)
    loss = diffusion_loss(opened["text"](changed).last_hidden_state)
    row = torch.autograd.grad(loss, table)[0][placeholder]
    return {"inversion.input_ids": changed, "inversion.loss": loss, "inversion.grad_row": row}
