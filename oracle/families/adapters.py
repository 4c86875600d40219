"""Every kind of adapter that peft has and Quintet reads, on one Llama: logits, loss, gradients, greedy answers.

Bottlenecks, which peft does not have, are written down here; convolutions are adapted in LLaVA's vision tower, weights of the
other layout and a table that is the head, too, in GPT-2.
"""

import json
from pathlib import Path

import torch
from peft import (
    AdaLoraConfig,
    AdaptionPromptConfig,
    BeftConfig,
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    OFTConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    TrainableTokensConfig,
    VeraConfig,
    get_peft_model,
)
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel, LlamaForCausalLM, LlavaForConditionalGeneration

from kit.folder import FixtureFolder
from kit.numbers import settle
from kit.weights import build, draw, save_checkpoint

from .training import llama_model, llava_data, llava_model, mean_loss, open_model, save_adapter

TASK = {"task_type": "CAUSAL_LM"}
ATTENTION = ["q_proj", "v_proj"]
METHODS = {
    "lora": lambda: LoraConfig(r=3, lora_alpha=7, target_modules=["k_proj", "o_proj"], **TASK),
    "lora-stabilised": lambda: LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=ATTENTION, **TASK),
    "lora-all-biases": lambda: LoraConfig(r=2, bias="all", target_modules=["q_proj", "up_proj"], **TASK),
    "lora-biases": lambda: LoraConfig(r=2, bias="lora_only", target_modules=["k_proj", "q_proj"], **TASK),
    "lora-patterns": lambda: LoraConfig(
        r=3,
        lora_alpha=5,
        rank_pattern={r".*\.0\.mlp\.(up|down)_proj": 2, "o_proj": 4},
        alpha_pattern={r"layers\.1\.mlp\.down_proj": 9},
        target_modules=["o_proj", "up_proj", "down_proj"],
        **TASK,
    ),
    "lora-embedding": lambda: LoraConfig(
        r=3, target_modules=["embed_tokens", "gate_proj"], modules_to_save=["lm_head"], **TASK
    ),
    "dora": lambda: LoraConfig(r=3, lora_alpha=5, use_dora=True, target_modules=["q_proj", "down_proj"], **TASK),
    "adalora": lambda: AdaLoraConfig(
        init_r=5, target_r=2, lora_alpha=8, orth_reg_weight=0.3, total_step=10, target_modules=["v_proj", "o_proj"], **TASK
    ),
    "vera": lambda: VeraConfig(r=6, target_modules=["q_proj", "k_proj", "down_proj"], save_projection=True, **TASK),
    "loha": lambda: LoHaConfig(r=3, alpha=5, target_modules=["q_proj", "gate_proj"], **TASK),
    "lokr": lambda: LoKrConfig(r=2, alpha=5, decompose_factor=3, target_modules=["k_proj", "up_proj"], **TASK),
    "lokr-both": lambda: LoKrConfig(r=1, alpha=3, decompose_both=True, target_modules=["o_proj", "down_proj"], **TASK),
    "oft": lambda: OFTConfig(oft_block_size=6, r=0, use_cayley_neumann=False, target_modules=ATTENTION, **TASK),
    "oft-series": lambda: OFTConfig(
        oft_block_size=4, r=0, use_cayley_neumann=True, block_share=True, target_modules=["k_proj", "up_proj"], **TASK
    ),
    "hra": lambda: HRAConfig(r=4, target_modules=["q_proj", "down_proj"], **TASK),
    "ia3": lambda: IA3Config(target_modules=["k_proj", "o_proj", "down_proj"], feedforward_modules=["down_proj"], **TASK),
    "norms": lambda: LNTuningConfig(target_modules=["post_attention_layernorm", "norm"], **TASK),
    "biases": lambda: BeftConfig(target_modules=["q_proj", "v_proj"], **TASK),
    "prompt": lambda: PromptTuningConfig(num_virtual_tokens=3, **TASK),
    "p-tuning": lambda: PromptEncoderConfig(num_virtual_tokens=4, encoder_hidden_size=7, **TASK),
    "prefix": lambda: PrefixTuningConfig(num_virtual_tokens=3, **TASK),
    "llama-adapter": lambda: AdaptionPromptConfig(adapter_len=4, adapter_layers=1, **TASK),
    "words": lambda: TrainableTokensConfig(token_indices=[5, 6, 31], target_modules=["embed_tokens"], **TASK),
}

BOTTLENECK = "bottleneck"
BOTTLENECK_WIDTH = 5


class Bottleneck(torch.nn.Module):
    """y + U relu(D y + d) + u behind a linear layer: Houlsby et al., 2019, figure 2."""

    def __init__(self, base_layer: torch.nn.Linear):
        super().__init__()
        self.base_layer = base_layer
        self.adapter_down = torch.nn.Linear(base_layer.out_features, BOTTLENECK_WIDTH)
        self.adapter_up = torch.nn.Linear(BOTTLENECK_WIDTH, base_layer.out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.base_layer(x)
        return y + self.adapter_up(torch.relu(self.adapter_down(y)))


def with_bottlenecks(model):
    """Behind the last layer of attention and of the perceptron of each block."""
    model.requires_grad_(False)
    for layer in model.model.layers:
        layer.self_attn.o_proj = Bottleneck(layer.self_attn.o_proj)
        layer.mlp.down_proj = Bottleneck(layer.mlp.down_proj)
    return model


def bottleneck_key(name: str) -> str:
    return f"base_model.model.{name}"


def save_bottlenecks(model, folder: Path) -> None:
    """In the form of peft's files."""
    folder.mkdir(parents=True)
    learnt = {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}
    tensors = {bottleneck_key(name): value.contiguous() for name, value in learnt.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    layers = sorted({name.rsplit(".", 2)[0] for name in learnt})
    config = {"peft_type": "BOTTLENECK", **TASK, "width": BOTTLENECK_WIDTH, "target_modules": layers}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def open_bottlenecks(model, folder: Path):
    with_bottlenecks(model)
    stored = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(stored[bottleneck_key(name)])
    return model


def drawn(model, seed: int):
    """Every adapter parameter, so that none stays at the zero, one or identity it starts from."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if not parameter.requires_grad:
                continue
            noise = torch.randn(parameter.shape, generator=random)
            if "magnitude" in name or "ia3_l" in name or "ln_tuning" in name:
                parameter.mul_(1 + 0.2 * noise)
            elif "modules_to_save" in name or "trainable_tokens" in name or "base_layer.bias" in name:
                parameter.add_(0.2 * noise)
            elif "prompt" in name and "mlp_head" not in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * (0.3 if parameter.ndim < 2 else 0.6 / parameter.shape[-1] ** 0.5))
    return model


def stored_keys(model, folder) -> dict:
    """Key in the file -> parameter that holds its values."""
    parameters = dict(model.named_parameters())
    keys = {}
    for name, parameter in parameters.items():
        key = name.replace(".default", "").replace(".modules_to_save", "")
        key = key.replace("prompt_encoder.embedding.weight", "prompt_embeddings")
        if "adapter_down" in key or "adapter_up" in key:
            key = bottleneck_key(key)
        keys[key] = parameter
    found = {}
    for key in load_file(folder / "adapter_model.safetensors"):
        own = [keys[other] for other in (key, f"{key}.weight", key.replace(".token_adapter", "")) if other in keys]
        if own and own[0].requires_grad:
            found[key] = own[0]
    return found


def adapters(fixture: FixtureFolder, *, config: dict, new_tokens: int) -> None:
    llama_model(fixture, config)
    random = torch.Generator().manual_seed(fixture.seed)
    rows, length = 2, 9
    ids = torch.randint(3, config["vocab_size"], (rows, length), generator=random)
    mask = torch.ones_like(ids)
    mask[1, -2:] = 0
    labels = torch.where(mask.bool(), ids, torch.full_like(ids, -100))
    labels[0, :2] = -100
    folder = fixture.path / "adapters"
    for index, (name, make) in enumerate(METHODS.items()):
        torch.manual_seed(fixture.seed + index)
        model = get_peft_model(open_model(LlamaForCausalLM, fixture, torch.float32), make())
        save_adapter(drawn(model, fixture.seed + index), folder / name)
    plain = with_bottlenecks(open_model(LlamaForCausalLM, fixture, torch.float32))
    save_bottlenecks(drawn(plain, fixture.seed + len(METHODS)), folder / BOTTLENECK)

    def opened(name: str, dtype: torch.dtype):
        base = open_model(LlamaForCausalLM, fixture, dtype)
        if name == BOTTLENECK:
            return open_bottlenecks(base, folder / name).to(dtype).eval()
        learns = not name.startswith("p")  # peft loads virtual tokens only to answer by them
        model = PeftModel.from_pretrained(base, folder / name, is_trainable=learns, autocast_adapter_dtype=False)
        model = model.to(dtype).eval()
        if not learns:
            model.prompt_encoder.requires_grad_(True)
        for module in model.modules():
            if hasattr(module, "vera_A"):
                module.vera_A["default"], module.vera_B["default"] = (
                    module.vera_A["default"].to(dtype),
                    module.vera_B["default"].to(dtype),
                )
        return model

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        given = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
        found = {}
        for name in (*METHODS, BOTTLENECK):
            model = opened(name, dtype)
            output = model(**given, labels=inputs["labels"])
            output.loss.backward()
            found[f"{name}.logits"] = output.logits.detach()
            found[f"{name}.loss"] = output.loss.detach()
            for key, parameter in stored_keys(model, folder / name).items():
                found[f"{name}.grad/{key}"] = parameter.grad.clone()
            if dtype == torch.float32 and name != "llama-adapter":
                with torch.no_grad():
                    written = model.generate(
                        input_ids=ids[:1], attention_mask=mask[:1], max_new_tokens=new_tokens, do_sample=False, pad_token_id=0
                    )
                found[f"{name}.sequences"] = written
        return found

    fixture.note(
        "adapters/<method>/ is what save_pretrained writes, and of bottleneck the like; every learnt number is drawn anew, so that none stays where it starts",
        "<method>.grad/<key>: the gradient of the loss by the stored tensor of that key",
        "loss: mean over labels that are not -100, AdaLoRA's with its term of orthogonality",
        "sequences continue the first row greedily; none of llama-adapter, whose cache peft does not keep",
        "logits of prompt and p-tuning have the virtual tokens first",
    )
    singles = {}

    def once(inputs: dict, dtype: torch.dtype) -> dict:
        """Answers are written in float32 alone."""
        found = compute(inputs, dtype)
        singles.update({name: value for name, value in found.items() if name.endswith(".sequences")})
        return found | singles

    settle(fixture, {"input_ids": ids, "attention_mask": mask, "labels": labels}, once)


CONVOLUTIONS = {
    "lora-convolution": {"r": 3, "lora_alpha": 5},
    "lora-convolution-stabilised": {"r": 4, "lora_alpha": 6, "use_rslora": True},
    "dora-convolution": {"r": 3, "lora_alpha": 5, "use_dora": True},
}


def convolutions(fixture: FixtureFolder, *, text: dict, vision: dict) -> None:
    """LoRA and DoRA on the convolution that cuts pictures into patches, and on a linear layer behind it."""
    llava_model(fixture, text, vision)
    folder = fixture.path / "adapters"
    targets = r".*vision_tower.*(patch_embedding|layers\.0\.self_attn\.q_proj)"
    for index, (name, settings) in enumerate(CONVOLUTIONS.items()):
        torch.manual_seed(fixture.seed + index)
        base = open_model(LlavaForConditionalGeneration, fixture, torch.float32)
        model = get_peft_model(base, LoraConfig(**settings, target_modules=targets, **TASK))
        save_adapter(drawn(model, fixture.seed + index), folder / name)
    data = {key: value[:2] for key, value in llava_data(fixture, text, vision, 1).items() if key != "order"}

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        given = {key: value for key, value in inputs.items() if key != "labels"}
        found = {}
        for name in CONVOLUTIONS:
            base = open_model(LlavaForConditionalGeneration, fixture, dtype)
            model = PeftModel.from_pretrained(base, folder / name, is_trainable=True, autocast_adapter_dtype=False)
            model = model.to(dtype).eval()
            logits = model(**given).logits
            loss = mean_loss(logits, inputs["labels"])
            loss.backward()
            found |= {f"{name}.logits": logits.detach(), f"{name}.loss": loss.detach()}
            for key, parameter in stored_keys(model, folder / name).items():
                found[f"{name}.grad/{key}"] = parameter.grad.clone()
        return found

    fixture.note("<method>.grad/<key>: the gradient of the loss by the stored tensor of that key")
    settle(fixture, data, compute)


TIED = {
    "lora-fused": lambda: LoraConfig(r=3, lora_alpha=5, bias="lora_only", target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, **TASK),
    "dora-fused": lambda: LoraConfig(r=2, use_dora=True, use_rslora=True, target_modules=["c_fc"], fan_in_fan_out=True, **TASK),
    "ia3-fused": lambda: IA3Config(target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"], **TASK),
    "lora-words": lambda: LoraConfig(r=2, target_modules=["c_attn"], trainable_token_indices=[9, 3, 4], fan_in_fan_out=True, **TASK),
    "lora-table": lambda: LoraConfig(r=2, target_modules=["wte", "c_attn"], fan_in_fan_out=True, **TASK),
    "lora-whole-table": lambda: LoraConfig(
        r=2,
        target_modules=["c_attn"],
        modules_to_save=["wte", "lm_head"],
        ensure_weight_tying=True,
        fan_in_fan_out=True,
        **TASK,
    ),
    "words-tied": lambda: TrainableTokensConfig(token_indices=[7, 2, 3], target_modules=["wte"], **TASK),
}  # fmt: skip


def tied(fixture: FixtureFolder, *, config: dict) -> None:
    """On GPT-2, whose weights are [in, out], query, key and value in one, and whose head is the table of embeddings."""
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", **config}
    model = build(GPT2LMHeadModel, config)
    draw(model, fixture.seed)
    save_checkpoint(fixture, model, config)
    fixture.left_out(tie_word_embeddings=True)
    folder = fixture.path / "adapters"
    for index, (name, make) in enumerate(TIED.items()):
        torch.manual_seed(fixture.seed + index)
        base = open_model(GPT2LMHeadModel, fixture, torch.float32)
        save_adapter(drawn(get_peft_model(base, make()), fixture.seed + index), folder / name)
    ids = torch.randint(1, config["vocab_size"], (2, 7), generator=torch.Generator().manual_seed(fixture.seed))
    ids[:, 2:5] = torch.tensor([[9, 2, 3], [4, 7, 9]])
    data = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        found = {}
        for name in TIED:
            base = open_model(GPT2LMHeadModel, fixture, dtype)
            model = PeftModel.from_pretrained(base, folder / name, is_trainable=True, autocast_adapter_dtype=False)
            model = model.to(dtype).eval()
            output = model(**inputs)
            output.loss.backward()
            found |= {f"{name}.logits": output.logits.detach(), f"{name}.loss": output.loss.detach()}
            for key, parameter in stored_keys(model, folder / name).items():
                found[f"{name}.grad/{key}"] = parameter.grad.clone()
        return found

    fixture.note(
        "<method>.grad/<key>: the gradient of the loss by the stored tensor of that key",
        "peft has the head learn apart from the table unless it is told to tie them; what lora-table adds to the table, the head has not",
    )
    settle(fixture, data, compute)
