"""The fixtures of training runs and of diffusion."""

from functools import partial

import torch

from . import (
    adapters,
    diffusion,
    experts,
    gill,
    losses,
    preference,
    quantised,
    rank_cuts,
    retrieval,
    reward,
    schedulers,
    training,
)
from .entry import Entry, layers
from .schedulers import SCALED_LINEAR
from .training import Recipe

TINY_TEXT = layers(16, 22, 2, 2, num_key_value_heads=1, vocab_size=40)
TINY_VISION = layers(10, 16, 2, 2, image_size=12, patch_size=4)

TRAINING = {
    "train-full-llama": Entry(
        "training",
        "20 steps of AdamW on a whole Llama with a tied head: clipping at 0.5, linear warm-up and decay, eps 1e-6",
        1101,
        partial(
            training.full_llama,
            config=layers(18, 26, 3, 2, num_key_value_heads=1, vocab_size=60, tie_word_embeddings=True),
            recipe=Recipe(lr=5e-3, eps=1e-6, weight_decay=0.05, max_grad_norm=0.5, schedule="linear"),
            rows=3,
            length=10,
        ),
    ),
    "train-full-t5": Entry(
        "training",
        "20 steps of AdamW on a whole T5 with a tied head: what it reads and what it writes differ in length",
        1102,
        partial(
            training.full_t5,
            config={
                "d_model": 14,
                "d_kv": 5,
                "d_ff": 20,
                "num_heads": 2,
                "num_layers": 2,
                "relative_attention_num_buckets": 6,
                "relative_attention_max_distance": 9,
                "vocab_size": 50,
            },
            recipe=Recipe(lr=5e-3, eps=1e-6, weight_decay=0.05, warmup_steps=2),
            rows=3,
            length=10,
        ),
    ),
    "train-llava-align": Entry(
        "training",
        "LLaVA's alignment stage, 20 steps: only the projector learns, labels only on the answer",
        1111,
        partial(
            training.llava_align,
            text=TINY_TEXT,
            vision=TINY_VISION,
            recipe=Recipe(lr=3e-3, weight_decay=0.1, warmup_steps=2),
        ),
    ),
    "train-llava-lora": Entry(
        "training",
        "LoRA of rank 3 on q, o and down projections of LLaVA's language model and the whole projector, 20 steps",
        1121,
        partial(
            training.llava_lora,
            text=TINY_TEXT,
            vision=TINY_VISION,
            recipe=Recipe(lr=4e-3, betas=(0.9, 0.999), warmup_steps=4),
            lora={
                "r": 3,
                "lora_alpha": 7,
                "lora_dropout": 0.0,
                "bias": "none",
                "task_type": "CAUSAL_LM",
                "target_modules": r".*language_model.*\.(q_proj|o_proj|down_proj)",
                "modules_to_save": ["multi_modal_projector"],
            },
        ),
    ),
    "train-qlora": Entry(
        "training",
        "LoRA of rank 3 over a Llama in four bits (NF4, double quantisation), 20 steps; rows and weights that are no whole blocks",
        1151,
        partial(
            quantised.qlora,
            config=layers(72, 233, 6, 2, num_key_value_heads=2, vocab_size=48),
            recipe=Recipe(lr=4e-3, betas=(0.9, 0.999), warmup_steps=4),
            lora={
                "r": 3,
                "lora_alpha": 7,
                "task_type": "CAUSAL_LM",
                "target_modules": r".*\.(q_proj|v_proj|down_proj)",
            },
            rows=3,
            length=10,
        ),
    ),
    "train-adalora": Entry(
        "training",
        "AdaLoRA on a Llama, 26 steps: ranks of 4 are cut to 2 on average, every other step from the fifth to the nineteenth",
        1161,
        partial(
            rank_cuts.rank_cuts,
            config=layers(16, 22, 2, 2, num_key_value_heads=1, vocab_size=40),
            recipe=Recipe(steps=26, lr=2e-2, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.05, max_grad_norm=0.8),
            adalora={
                "init_r": 4,
                "target_r": 2,
                "lora_alpha": 6,
                "tinit": 4,
                "tfinal": 7,
                "deltaT": 2,
                "beta1": 0.8,
                "beta2": 0.7,
                "orth_reg_weight": 0.3,
                "total_step": 26,
                "task_type": "CAUSAL_LM",
                "target_modules": ["q_proj", "v_proj", "down_proj"],
            },
            rows=2,
            length=9,
        ),
    ),
    "adapters": Entry(
        "adapters",
        "Adapters of every kind that peft writes on one Llama with biases, grouped heads and an own head",
        1131,
        partial(
            adapters.adapters,
            config=layers(24, 30, 4, 2, num_key_value_heads=2, vocab_size=48, attention_bias=True, mlp_bias=False),
            new_tokens=6,
        ),
    ),
    "adapters-convolution": Entry(
        "adapters",
        "LoRA on a convolution, scaled in both ways, and DoRA: the patches of LLaVA's pictures",
        1171,
        partial(adapters.convolutions, text=TINY_TEXT, vision=TINY_VISION),
    ),
    "adapters-tied": Entry(
        "adapters",
        "LoRA, DoRA, IA3 and learning words on a GPT-2: weights [in, out], and a head that is tied to the table",
        1173,
        partial(adapters.tied, config={"n_embd": 8, "n_head": 2, "n_layer": 1, "n_positions": 16, "vocab_size": 24}),
    ),
    "grad-accum": Entry(
        "training",
        "three micro-batches a step with different numbers of targets, normalised by those of the whole step, clipped once",
        1131,
        partial(
            training.accumulation,
            config=layers(12, 20, 2, 1, num_key_value_heads=2, vocab_size=36),
            lr=0.2,
            steps=2,
            micro=3,
            max_grad_norm=0.7,
        ),
    ),
    "image-text": Entry(
        "training",
        "BLIP-2's first stage on its retrieval model: contrast, matching with hard negatives, captions; gradients",
        1143,
        partial(
            retrieval.retrieval,
            vision=layers(18, 26, 3, 2, image_size=12, patch_size=4),
            qformer=layers(
                16, 22, 2, 3, vocab_size=40, encoder_hidden_size=18, cross_attention_frequency=2, max_position_embeddings=12
            ),
            queries=3,
            projection=10,
        ),
    ),
    "expert-balance": Entry(
        "training",
        "Mixtral with the load-balancing loss of its routers as a part of the loss, over rows with padding",
        1145,
        partial(
            experts.balance,
            config=layers(
                **{"width": 12, "mlp": 16, "heads": 2, "count": 3},
                **{"num_key_value_heads": 1, "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 30},
                **{"output_router_logits": True, "router_aux_loss_coef": 0.35},
            ),
            rows=3,
            length=9,
        ),
    ),
    "expert-preference": Entry(
        "training",
        "TRL's losses of preference tuning over a small Mixtral, with the load balance of its experts: DPO, ORPO, SimPO, CPO, KTO, GRPO",
        1147,
        partial(
            experts.preferences,
            config=layers(
                **{"width": 8, "mlp": 12, "heads": 2, "count": 2},
                **{"num_key_value_heads": 1, "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 40},
                **{"output_router_logits": True, "router_aux_loss_coef": 0.35},
            ),
        ),
    ),
    "reward": Entry(
        "training",
        "a reward model: a Llama that rates texts at their last token, TRL's losses of pairs over it with margins and centring",
        1144,
        partial(reward.reward, config=layers(12, 20, 2, 2, num_key_value_heads=1, vocab_size=40)),
    ),
    "losses": Entry(
        "training",
        "losses over random outputs: picking, words, masks, diffusion and flow, boxes, distillation, features, experts, codes",
        1142,
        losses.losses,
    ),
    "preference": Entry(
        "training",
        "TRL's losses of preference tuning over a small Llama and its reference: DPO and its relatives, ORPO, SimPO, CPO, "
        "KTO, GRPO; gradients and metrics",
        1141,
        partial(preference.preference, config=layers(12, 20, 2, 2, num_key_value_heads=1, vocab_size=40)),
    ),
}

TINY_UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": (8, 12),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 10,
    "attention_head_dim": (1, 3),
    "norm_num_groups": 4,
}
TINY_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
    "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
    "block_out_channels": (4, 6),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 2,
    "sample_size": 16,
}
TINY_VQ = TINY_VAE | {"latent_channels": 5, "vq_embed_dim": 3, "num_vq_embeddings": 20, "block_out_channels": (4, 8)}
V = {"prediction_type": "v_prediction"}
OPT = {
    "hidden_size": 20,
    "ffn_dim": 34,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "word_embed_proj_dim": 20,
    "max_position_embeddings": 64,
    "vocab_size": 61,
    "pad_token_id": 1,
}


def named(kind: str, **config) -> dict:
    return {"class": kind, **SCALED_LINEAR, **config}


DDIM = named("DDIMScheduler", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
LINEAR = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
SCHEDULERS = {
    "ddim_leading": DDIM,
    "ddim_published_defaults": {"class": "DDIMScheduler"},
    "ddim_trailing_clip": named("DDIMScheduler", timestep_spacing="trailing", clip_sample=True, clip_sample_range=1.5),
    "ddim_linspace_v": named("DDIMScheduler", timestep_spacing="linspace", clip_sample=False, **V),
    "ddim_sample": DDIM | {"prediction_type": "sample"},
    "ddim_eta": DDIM | {"call": {"eta": 0.7}},
    "ddim_zero_snr_v": named(
        "DDIMScheduler", timestep_spacing="trailing", rescale_betas_zero_snr=True, clip_sample=False, **V
    ),
    "ddim_cosine_short": {
        "class": "DDIMScheduler",
        "beta_schedule": "squaredcos_cap_v2",
        "num_train_timesteps": 250,
        "clip_sample": False,
    },
    "ddpm_small": {"class": "DDPMScheduler", **LINEAR, "clip_sample": True},
    "ddpm_large_v": {"class": "DDPMScheduler", **LINEAR, "clip_sample": False, "variance_type": "fixed_large", **V},
    "euler_linspace": named("EulerDiscreteScheduler"),
    "euler_leading": named("EulerDiscreteScheduler", timestep_spacing="leading", steps_offset=1),
    "euler_trailing_v": named("EulerDiscreteScheduler", timestep_spacing="trailing", **V),
    "euler_karras": named("EulerDiscreteScheduler", use_karras_sigmas=True),
    "euler_karras_v": named("EulerDiscreteScheduler", use_karras_sigmas=True, timestep_spacing="leading", **V),
    "euler_sample": {"class": "EulerDiscreteScheduler", **LINEAR, "prediction_type": "sample"},
    "euler_ancestral": named("EulerAncestralDiscreteScheduler"),
    "euler_ancestral_v": named("EulerAncestralDiscreteScheduler", timestep_spacing="leading", steps_offset=1, **V),
    "heun": named("HeunDiscreteScheduler"),
    "pndm": named("PNDMScheduler", skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1),
    "dpmpp_2m": named("DPMSolverMultistepScheduler"),
    "dpmpp_2m_karras_v": named("DPMSolverMultistepScheduler", use_karras_sigmas=True, **V),
    "unipc": named("UniPCMultistepScheduler"),
    "lcm": named("LCMScheduler"),
    "flow_euler": {"class": "FlowMatchEulerDiscreteScheduler", "shift": 2.0},
    "flow_euler_terminal": {"class": "FlowMatchEulerDiscreteScheduler", "shift": 2.0, "shift_terminal": 0.1},
    "ddpm_trailing": {"class": "DDPMScheduler", **LINEAR, "clip_sample": False, "timestep_spacing": "trailing"},
    "ddpm_linspace": {"class": "DDPMScheduler", **LINEAR, "clip_sample": False, "timestep_spacing": "linspace"},
    "heun_published_defaults": {"class": "HeunDiscreteScheduler"},
    "heun_clip": named("HeunDiscreteScheduler", clip_sample=True, clip_sample_range=0.8),
    "lcm_published_defaults": {"class": "LCMScheduler"},
    "euler_log": named("EulerDiscreteScheduler", interpolation_type="log_linear"),
    "euler_continuous_v": named(
        "EulerDiscreteScheduler",
        timestep_type="continuous",
        use_karras_sigmas=True,
        sigma_min=0.02,
        sigma_max=70.0,
        **V,
    ),
    "dpmpp_2m_exponential": named("DPMSolverMultistepScheduler", use_exponential_sigmas=True),
    "dpmpp_2m_zero_snr_v": named(
        "DPMSolverMultistepScheduler", timestep_spacing="trailing", rescale_betas_zero_snr=True, **V
    ),
    "dpmpp_2m_clipped": {
        "class": "DPMSolverMultistepScheduler",
        "beta_schedule": "squaredcos_cap_v2",
        "lambda_min_clipped": -5.1,
    },
    "unipc_uncorrected": named("UniPCMultistepScheduler", disable_corrector=[0, 2]),
    "unipc_bounds": named("UniPCMultistepScheduler", use_karras_sigmas=True, sigma_min=0.05, sigma_max=20.0),
}

DIFFUSION = {
    "stable-diffusion": Entry(
        "diffusion",
        "Stable Diffusion 2's form: gelu text encoder, linear projections and heads per block in the UNet, v prediction; "
        "five schedulers with guidance, final image; float16 files",
        1201,
        partial(
            diffusion.stable_diffusion,
            parts={
                "unet": TINY_UNET | {"use_linear_projection": True},
                "vae": TINY_VAE,
                "text": layers(10, 18, 2, 2, hidden_act="gelu", projection_dim=8),
                "scheduler": DDIM | V,
                "length": 16,
                "dtype": torch.float16,
            },
            schedulers={
                "ddim": DDIM | V,
                "euler": named("EulerDiscreteScheduler", timestep_spacing="trailing", **V),
                "euler_a": named("EulerAncestralDiscreteScheduler", **V),
                "pndm": named("PNDMScheduler", skip_prk_steps=True, steps_offset=1, **V),
                "dpmpp_2m": named("DPMSolverMultistepScheduler", use_karras_sigmas=True, **V),
            },
            steps=6,
            guidance=2.0,
            prompt="a painting of a red boat",
            negative="rain",
        ),
    ),
    "schedulers": Entry(
        "diffusion",
        "schedulers alone: DDIM, DDPM, Euler and others in several spacings, predictions and sigma tables, seven steps",
        1211,
        partial(schedulers.schedulers, table=SCHEDULERS, steps=7),
    ),
    "vq-vae": Entry(
        "diffusion",
        "VQ autoencoder whose codes are narrower than its latents; KL autoencoder without quant convolutions, "
        "with gradients by latent, picture and every parameter",
        1221,
        partial(
            diffusion.vq_vae,
            vq=TINY_VQ | {"sample_size": 12},
            vae=TINY_VAE
            | {"latent_channels": 3, "sample_size": 12, "use_quant_conv": False, "use_post_quant_conv": False},
            kl_weight=0.05,
        ),
    ),
    "gill": Entry(
        "gill",
        "GILL: OPT that sees pictures through CLIP, its mapper to the condition of Stable Diffusion, its retrieval head",
        1241,
        partial(
            gill.gill,
            text=OPT,
            vision=layers(14, 24, 2, 2, image_size=20, patch_size=5),
            inner={"inner": 12, "shape": {"queries": 5, "depth": 2, "heads": 3}},
            common=6,
            signals=3,
            parts={
                "unet": TINY_UNET | {"attention_head_dim": 2},
                "vae": TINY_VAE,
                "text": layers(10, 18, 2, 2, hidden_act="quick_gelu"),
                "scheduler": DDIM,
                "length": 14,
            },
        ),
    ),
    "conditioning-gradients": Entry(
        "diffusion",
        "diffusion loss by the text condition through a frozen UNet; output projector in the form of GILL and NExT-GPT; "
        "textual inversion; float16 files",
        1231,
        partial(
            diffusion.conditioning,
            parts={
                "unet": TINY_UNET | {"attention_head_dim": 2},
                "vae": TINY_VAE,
                "text": layers(10, 18, 2, 2, hidden_act="quick_gelu"),
                "scheduler": DDIM,
                "length": 14,
                "dtype": torch.float16,
            },
            tokens=3,
            hidden=14,
            inner=18,
            steps=6,
            lr=3e-3,
        ),
    ),
}
