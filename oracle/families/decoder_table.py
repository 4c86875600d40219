"""Fixtures of language models beyond Llama and OPT, and of rotary positions."""

from functools import partial

import torch

from . import activations, decoders, llava, rotary
from .entry import Entry, layers

ACTIVATIONS = (
    *("gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh"),
    *("gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2"),
    *("relu6", "sigmoid", "silu", "sqrtsoftplus", "swish", "tanh"),
)
DECODERS = {
    "activations": Entry(
        "activations",
        "activations by their names in configurations",
        1025,
        partial(activations.activations, names=ACTIVATIONS),
    ),
    "rotary": Entry("rotary", "cosines and sines of rotary positions under every scaling", 1021, rotary.rotary),
    "gpt2": Entry(
        "decoders",
        "GPT-2 as first released: names without transformer., causal masks among the weights, tied head, four heads of width 5",
        1013,
        partial(decoders.gpt2, width=20, heads=4, bare=True, masks=torch.float32),
    ),
    "gpt2-prefixed": Entry(
        "decoders",
        "GPT-2 under transformer., own n_inner, relu, scores divided by their layer's number, own head, three layers, float16 file",
        1014,
        partial(
            decoders.gpt2,
            width=18,
            heads=3,
            bare=False,
            masks=torch.uint8,
            layers=3,
            positions=52,
            dtype=torch.float16,
            n_inner=26,
            activation_function="relu",
            layer_norm_epsilon=1e-6,
            scale_attn_by_inverse_layer_idx=True,
            tie_word_embeddings=False,
        ),
    ),
    "qwen2": Entry(
        "decoders",
        "Qwen2: biases of queries, keys and values, tied head, rope_theta 1e6, a window that is switched off, NFC before the BPE",
        1015,
        partial(
            decoders.decoder,
            family="qwen2",
            style="qwen2",
            sizes=layers(18, 24, 3, 2, num_key_value_heads=1),
            max_position_embeddings=256,
            rope_theta=1e6,
            tie_word_embeddings=True,
            use_sliding_window=False,
            sliding_window=3,
            max_window_layers=1,
        ),
    ),
    "qwen3": Entry(
        "decoders",
        "Qwen3: norms of each head's queries and keys, head_dim 8 other than hidden / heads, YaRN, bfloat16 file, "
        "a template that forgets earlier thoughts",
        1016,
        partial(
            decoders.decoder,
            family="qwen3",
            style="qwen3",
            sizes=layers(20, 26, 3, 2, num_key_value_heads=1, head_dim=8),
            dtype=torch.bfloat16,
            max_position_embeddings=256,
            rope_theta=1e6,
            rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        ),
    ),
    "qwen2-window": Entry(
        "decoders",
        "Qwen2 whose layers from the second on see a window of five tokens, own head, heads of width 8, three layers",
        1018,
        partial(
            decoders.decoder,
            family="qwen2",
            style="qwen2",
            sizes=layers(16, 22, 2, 3, num_key_value_heads=1),
            max_position_embeddings=256,
            use_sliding_window=True,
            sliding_window=5,
            max_window_layers=1,
        ),
    ),
    "mistral": Entry(
        "decoders",
        "Mistral: a window of seven tokens in every layer, head_dim 6 other than hidden / heads, three heads of queries "
        "to each of keys, template with a system message in the last turn",
        1019,
        partial(
            decoders.decoder,
            family="mistral",
            style="mistral",
            sizes=layers(20, 30, 3, 2, num_key_value_heads=1, head_dim=6),
            max_position_embeddings=128,
            sliding_window=7,
            rope_theta=1e6,
            rms_norm_eps=1e-5,
        ),
    ),
    "mixtral": Entry(
        "decoders",
        "Mixtral: of four experts in every layer each token is sent to two, own names of their matrices",
        1021,
        partial(
            decoders.decoder,
            family="mixtral",
            style="mistral",
            sizes=layers(16, 20, 2, 2, num_key_value_heads=1, num_local_experts=4),
            max_position_embeddings=128,
        ),
    ),
    "gemma2": Entry(
        "decoders",
        "Gemma 2: layers with a window of five tokens and without one in turn, both caps low enough to matter, heads of width 8 "
        "whose scores are scaled by another, embeddings scaled by a root that a bfloat16 file does not round",
        1022,
        partial(
            decoders.decoder,
            family="gemma2",
            style="gemma",
            sizes=layers(20, 26, 2, 3, num_key_value_heads=1, head_dim=8),
            dtype=torch.bfloat16,
            max_position_embeddings=128,
            query_pre_attn_scalar=12,
            sliding_window=5,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=6.0,
        ),
    ),
    "gemma3": Entry(
        "decoders",
        "Gemma 3: five layers with a window of six tokens to one without, which turns its positions by another base and more "
        "slowly; norms of each head's queries and keys; fields as in the published files",
        1023,
        partial(
            decoders.decoder,
            family="gemma3_text",
            style="gemma",
            sizes=layers(18, 20, 3, 6, num_key_value_heads=1, head_dim=6),
            max_position_embeddings=128,
            query_pre_attn_scalar=6,
            sliding_window=6,
            rope_theta=1e5,
            rope_local_base_freq=100.0,
            rope_scaling={"rope_type": "linear", "factor": 8.0},
        ),
    ),
    "gemma3-newer": Entry(
        "decoders",
        "Gemma 3 in the fields of newer files: kinds of layers in a list, rotary parameters by kind; biases, an own head, a cap",
        1024,
        partial(
            decoders.decoder,
            family="gemma3_text",
            style="gemma",
            sizes=layers(16, 22, 2, 2, num_key_value_heads=2, head_dim=8),
            max_position_embeddings=128,
            query_pre_attn_scalar=8,
            sliding_window=4,
            layer_types=["full_attention", "sliding_attention"],
            rope_parameters={
                "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
            attention_bias=True,
            tie_word_embeddings=False,
            final_logit_softcapping=8.0,
        ),
    ),
    "phi3": Entry(
        "decoders",
        "Phi-3: queries, keys and values in one matrix, gate and up in another; half of each head turned; LongRoPE, "
        "short in the first set until its answer crosses the trained length, and long in the second; marks that swallow the white space behind them",
        1017,
        partial(
            decoders.decoder,
            family="phi3",
            style="phi3",
            sizes=layers(24, 22, 2, 2),
            new_tokens=26,
            max_position_embeddings=128,
            original_max_position_embeddings=26,
            partial_rotary_factor=0.5,
            rope_scaling={"type": "longrope", "short_factor": [1.0, 1.2, 1.5], "long_factor": [1.1, 2.5, 7.0]},
        ),
    ),
    "llama-dynamic": Entry(
        "decoders",
        "Llama with dynamic rotary scaling, within the trained length in the first set and beyond it in the second",
        1004,
        partial(
            decoders.decoder,
            family="llama",
            style="mistral",
            sizes=layers(20, 26, 2, 2, num_key_value_heads=1),
            max_position_embeddings=24,
            rope_theta=1000.0,
            rope_scaling={"type": "dynamic", "factor": 2.5},
            # As long as each other, since a batch turns all its rows by the longest; and longer than the first set's
            # answer, since the class keeps the angles of the longest row that it has seen.
            second=[
                [decoders.user("What colour is the kite? It is red, isn't it")],
                [decoders.user("How many birds are in this picture? There are 134")],
            ],
        ),
    ),
    "llama-padding": Entry(
        "decoders",
        "Llama whose head is its embedding table and whose padding, a word of its texts, learns nothing where it is read",
        1026,
        partial(
            decoders.decoder,
            family="llama",
            style="mistral",
            sizes=layers(16, 22, 2, 2, num_key_value_heads=1),
            max_position_embeddings=64,
            tie_word_embeddings=True,
            pad_token_id=85,
        ),
    ),
    "llava-qwen2": Entry(
        "llava",
        "LLaVA whose language model is a Qwen2, as its text_config says",
        1020,
        partial(
            llava.llava,
            text=layers(16, 24, 2, 1, model_type="qwen2", num_key_value_heads=1, rope_theta=1e6),
            vision=layers(12, 20, 2, 2, image_size=15, patch_size=5),
        ),
    ),
}
