"""All fixtures, and the settings of language models, encoders and multimodal systems."""

from functools import partial

import torch

from . import blip2, encoders, janus, llava, masked, smolvlm, t5, text
from .decoder_table import DECODERS
from .entry import Entry, layers
from .training_table import DIFFUSION, TRAINING

LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 48,
}

TEXT = {
    "llama": Entry(
        "text",
        "Llama with most config fields left out: six heads of width 4 on two, every byte in its BPE, "
        "ChatML template with a default system message",
        1001,
        partial(
            text.llama,
            style="chatml",
            every_byte=True,
            hidden=24,
            heads=6,
            kv_heads=2,
            mlp=28,
            max_position_embeddings=128,
        ),
    ),
    "llama-rope-scaled": Entry(
        "text",
        "Llama 3.1 rotary scaling with frequencies in all three of its bands, tied head, head_dim 10 other than hidden / heads, BPE with byte fallback, "
        "float16 file in three shards",
        1002,
        partial(
            text.llama,
            style="instruction",
            hidden=21,
            heads=3,
            kv_heads=1,
            mlp=34,
            head_dim=10,
            tie_word_embeddings=True,
            rms_norm_eps=1e-5,
            rope_theta=1000.0,
            rope_scaling=LLAMA3_SCALING,
            max_position_embeddings=256,
            dtype=torch.float16,
            shards=3,
        ),
    ),
    "llama-biases": Entry(
        "text",
        "Llama with biases in attention and MLP, gelu gate, linear rotary scaling, three layers, "
        "rows of the vocabulary without tokens, bfloat16 file",
        1003,
        partial(
            text.llama,
            style="chatml",
            hidden=16,
            heads=2,
            kv_heads=2,
            mlp=25,
            layers=3,
            attention_bias=True,
            mlp_bias=True,
            hidden_act="gelu",
            rope_scaling={"type": "linear", "factor": 2.5},
            rms_norm_eps=1e-6,
            rope_theta=10000.0,
            vocabulary_rows=160,
            dtype=torch.bfloat16,
            max_position_embeddings=128,
        ),
    ),
    "opt": Entry(
        "text",
        "OPT: learned positions, norm before each part, tied head, four heads of width 5",
        1011,
        partial(text.opt, hidden=20, heads=4, mlp=34, embedding=20),
    ),
    "opt-post-norm": Entry(
        "text",
        "OPT-350m's form: embedding narrower than the model (project_in, project_out), norm after each part, "
        "no final norm, gelu, float16 file",
        1012,
        partial(
            text.opt,
            hidden=24,
            heads=4,
            mlp=30,
            embedding=14,
            do_layer_norm_before=False,
            activation_function="gelu",
            dtype=torch.float16,
        ),
    ),
    "opt-plain-norms": Entry(
        "text",
        "OPT whose norms have no weights, without biases, words wider than the model",
        1013,
        partial(
            text.opt,
            hidden=16,
            heads=2,
            mlp=22,
            embedding=20,
            enable_bias=False,
            layer_norm_elementwise_affine=False,
        ),
    ),
}

ENCODER_DECODERS = {
    "t5": Entry(
        "t5",
        "T5: distances in 8 buckets up to 20, plain perceptron, tied head scaled by the root of the width, heads wider than the model",
        1071,
        partial(t5.t5, width=22, heads=3, head_width=8, mlp=30, layers=2),
    ),
    "flan-t5": Entry(
        "t5",
        "Flan-T5: gated gelu, own head, fewer decoder layers than the encoder has, head width 5, float16 file",
        1072,
        partial(
            t5.t5,
            width=18,
            heads=4,
            head_width=5,
            mlp=26,
            layers=3,
            decoder_layers=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            dtype=torch.float16,
        ),
    ),
    "t5-unscaled": Entry(
        "t5",
        "T5 as transformers 5 writes what it was told not to tie: tied all the same, but not scaled by the root of the width",
        1073,
        partial(
            t5.t5,
            width=16,
            heads=2,
            head_width=6,
            mlp=20,
            layers=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=True,
            scale_decoder_outputs=False,
        ),
    ),
}

ENCODERS = {
    "clip": Entry(
        "clip",
        "CLIP with OpenAI's eos_token_id 2: head widths 6 and 7, towers of different widths",
        1031,
        partial(
            encoders.clip,
            text=layers(18, 28, 3, 2),
            vision=layers(14, 30, 2, 2, image_size=20, patch_size=5),
            projection=11,
            length=16,
        ),
    ),
    "clip-gelu": Entry(
        "clip",
        "CLIP of the OpenCLIP kind: gelu (erf), own end token id, three text layers",
        1032,
        partial(
            encoders.clip,
            text=layers(12, 30, 4, 3, hidden_act="gelu"),
            vision=layers(20, 26, 2, 1, hidden_act="gelu", image_size=18, patch_size=6),
            projection=10,
            length=20,
            published_end=False,
        ),
    ),
    "siglip": Entry(
        "siglip",
        "SigLIP: attention pooling, sigmoid loss, full-length texts without mask, head widths 7 and 6",
        1033,
        partial(
            encoders.siglip,
            text=layers(14, 24, 2, 2),
            vision=layers(18, 26, 3, 2, image_size=20, patch_size=5),
            length=18,
        ),
    ),
    "clip-vision": Entry(
        "clip",
        "CLIP's vision tower alone, with vision_model. before its names as published files have it; every hidden state",
        1034,
        partial(
            encoders.vision_tower,
            kind="clip",
            settings=layers(16, 26, 4, 3, image_size=21, patch_size=7),
            renaming=((r"(?!vision_model\.)", "vision_model."),),
        ),
    ),
    "clip-vision-projection": Entry(
        "clip",
        "CLIP's vision tower with the projection into the common space, gelu",
        1035,
        partial(
            encoders.vision_tower,
            kind="clip-projection",
            settings=layers(18, 24, 2, 2, image_size=16, patch_size=4, hidden_act="gelu", projection_dim=12),
        ),
    ),
    "siglip-vision": Entry(
        "siglip",
        "SigLIP's vision tower alone with its pooling head; the picture is no multiple of the patch",
        1036,
        partial(
            encoders.vision_tower,
            kind="siglip",
            settings=layers(18, 26, 2, 2, image_size=19, patch_size=4),
            renaming=((r"(?!vision_model\.)", "vision_model."),),
        ),
    ),
    "bert": Entry(
        "bert",
        "BERT: pairs of texts of two kinds, norms after each part, mean of the tokens as the vector of a text",
        1037,
        partial(encoders.bert, settings=layers(18, 26, 3, 2), length=64, pairs=True),
    ),
    "bert-first-token": Entry(
        "bert",
        "A sentence encoder of sentence-transformers that takes the first token, texts cut at its own length, relu, names under bert.",
        1038,
        partial(
            encoders.bert,
            settings=layers(14, 20, 2, 3, hidden_act="relu", layer_norm_eps=1e-5, type_vocab_size=1),
            length=36,
            first_token=True,
            renaming=((r"", "bert."),),
        ),
    ),
    "bert-masked": Entry(
        "bert",
        "BERT's head for masked words: transform, norm, the table of words with a bias; norms under their first names",
        1039,
        partial(masked.bert_masked, settings=layers(18, 26, 3, 2), length=40),
    ),
}

SYSTEMS = {
    "llava": Entry(
        "llava",
        "LLaVA under published names: last vision layer with its class token, head widths 6 and 7, "
        "three heads on one, biases in attention",
        1021,
        partial(
            llava.llava,
            text=layers(18, 28, 3, 2, num_key_value_heads=1, attention_bias=True),
            vision=layers(14, 24, 2, 2, image_size=20, patch_size=5),
            layer=-1,
            strategy="full",
        ),
    ),
    "llava-siglip": Entry(
        "llava",
        "LLaVA that looks through SigLIP without its head, all tokens of the last layer; a head tied by the whole; "
        "the names that transformers 5 writes",
        1026,
        partial(
            llava.llava,
            text=layers(16, 24, 2, 1, num_key_value_heads=1),
            vision=layers(
                12, 20, 2, 2, image_size=15, patch_size=5, model_type="siglip_vision_model", vision_use_head=False
            ),
            names="written",
            layer=-1,
            strategy="full",
            tie_word_embeddings=True,
        ),
    ),
    "llava-v5names": Entry(
        "llava",
        "LLaVA under the names transformers 5 has in memory: two vision layers side by side, no projector bias, gelu tower, "
        "grouped queries, head_dim other than hidden / heads, bfloat16 in two shards",
        1022,
        partial(
            llava.llava,
            text=layers(16, 26, 4, 2, num_key_value_heads=2, head_dim=6, rms_norm_eps=1e-5, rope_theta=20000.0),
            vision=layers(12, 22, 3, 3, image_size=20, patch_size=5, hidden_act="gelu"),
            names="memory",
            layer=[-3, -2],
            projector_hidden_act="quick_gelu",
            multimodal_projector_bias=False,
            template_in="chat_template.json",
            dtype=torch.bfloat16,
            shards=2,
        ),
    ),
    "blip2-opt": Entry(
        "blip2",
        "BLIP-2 on OPT: cross-attention in layers 0 and 2 of three, no bias on the fused qkv, head widths 5, 6 and 7, "
        "float16 file",
        1041,
        partial(
            blip2.blip2,
            text={
                "hidden_size": 20,
                "ffn_dim": 26,
                "num_attention_heads": 4,
                "num_hidden_layers": 2,
                "word_embed_proj_dim": 20,
            },
            vision=layers(14, 22, 2, 2, image_size=18, patch_size=6, qkv_bias=False),
            qformer=layers(12, 18, 2, 3),
            queries=3,
            dtype=torch.float16,
        ),
    ),
    "blip2-flan-t5": Entry(
        "blip2",
        "BLIP-2 on Flan-T5: features among what its encoder reads, padding on the right, bfloat16 file",
        1042,
        partial(
            blip2.blip2_t5,
            text={
                "d_model": 18,
                "d_kv": 5,
                "d_ff": 24,
                "num_heads": 3,
                "num_layers": 2,
                "relative_attention_num_buckets": 8,
                "relative_attention_max_distance": 12,
                "feed_forward_proj": "gated-gelu",
                "tie_word_embeddings": False,
            },
            vision=layers(12, 20, 2, 2, image_size=18, patch_size=6),
            qformer=layers(14, 18, 2, 2),
            queries=3,
            dtype=torch.bfloat16,
        ),
    ),
    "smolvlm": Entry(
        "smolvlm",
        "SmolVLM: tied head, tiles of 12 pixels with row and column tokens, pixel shuffle by 3, float16 file",
        1051,
        partial(
            smolvlm.smolvlm,
            kind="smolvlm",
            text=layers(20, 28, 2, 2, num_key_value_heads=1, rms_norm_eps=1e-5, rope_theta=100000.0),
            vision=layers(12, 20, 2, 2, image_size=12, patch_size=2),
            factor=3,
            longest=24,
            splitting=True,
            grid=2,
            tied=True,
            dtype=torch.float16,
        ),
    ),
    "smolvlm-whole": Entry(
        "smolvlm",
        "SmolVLM that does not cut pictures: one tile each, padded; own head, gelu tower",
        1053,
        partial(
            smolvlm.smolvlm,
            kind="smolvlm",
            text=layers(12, 20, 2, 2, num_key_value_heads=2),
            vision=layers(10, 16, 2, 1, image_size=12, patch_size=3, hidden_act="gelu"),
            factor=2,
            longest=24,
            splitting=False,
            grid=2,
        ),
    ),
    "idefics3": Entry(
        "idefics3",
        "Idefics3: up to three tiles a side, own head, head widths 4 and 7, pixel shuffle by 2, bfloat16 file",
        1052,
        partial(
            smolvlm.smolvlm,
            kind="idefics3",
            text=layers(16, 24, 4, 2, num_key_value_heads=2),
            vision=layers(14, 20, 2, 2, image_size=12, patch_size=3),
            factor=2,
            longest=36,
            splitting=True,
            grid=3,
            sizes=((44, 12), (20, 41), (30, 10)),
            dtype=torch.bfloat16,
        ),
    ),
    "janus": Entry(
        "janus",
        "Janus: understanding with a three-layer aligner; drawing with guidance, VQ decoding and encoding; bfloat16 file",
        1061,
        partial(
            janus.janus,
            text=layers(16, 24, 2, 2, num_key_value_heads=1, rms_norm_eps=1e-5),
            vision={
                "hidden_size": 18,
                "num_attention_heads": 3,
                "num_hidden_layers": 2,
                "mlp_ratio": 1.5,
                "depth": 3,
                "image_size": 18,
                "patch_size": 6,
            },
            vq={
                "embed_dim": 5,
                "num_embeddings": 40,
                "latent_channels": 12,
                "base_channels": 32,
                "channel_multiplier": [1, 1],
                "num_res_blocks": 1,
                "num_hidden_layers": 3,
            },
            guidance=2.5,
            dtype=torch.bfloat16,
        ),
    ),
}

FIXTURES: dict[str, Entry] = TEXT | DECODERS | ENCODER_DECODERS | ENCODERS | SYSTEMS | TRAINING | DIFFUSION
