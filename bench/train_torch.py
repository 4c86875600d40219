"""Steps of training in PyTorch, for `npm run bench -- train`: python bench/train_torch.py WORK TYPE STEPS [FOLDER].

Prints one line of JSON: milliseconds of each step but the first, the losses of all, and the most memory there was in MiB.
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def lora(folder: str):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.config.use_cache = False
    settings = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(model, settings)
    ids = arbitrary_ids(4, 256, 49152)
    return model, lambda: model(input_ids=ids, labels=ids).loss


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        split = lambda t: t.view(batch, tokens, self.heads, -1).transpose(1, 2)
        q, k, v = (split(t) for t in self.qkv(self.ln_1(x)).split(width, -1))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


def gpt(_: str):
    """GPT-2's form with 6 layers of width 384 and a tied head: 13.8 million parameters."""
    width, vocab, tokens = 384, 8192, 128
    table, places = nn.Embedding(vocab, width), nn.Embedding(tokens, width)
    blocks, last = nn.ModuleList(Block(width, 6) for _ in range(6)), nn.LayerNorm(width)
    model = nn.ModuleList([table, places, blocks, last])
    ids = arbitrary_ids(8, tokens, vocab)

    def loss():
        x = table(ids) + places.weight
        for block in blocks:
            x = block(x)
        scores = F.linear(last(x), table.weight)
        return F.cross_entropy(scores[:, :-1].reshape(-1, vocab), ids[:, 1:].reshape(-1))

    return model, loss


def projector(folder: str):
    """LLaVA's form of CLIP's ViT-B/16, a perceptron and the language model of a folder; the perceptron alone learns."""
    from transformers import AutoConfig, CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    picture, places, words = 49151, 196, 64
    vision = CLIPVisionConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=224, patch_size=16
    )
    config = LlavaConfig(
        vision_config=vision, text_config=AutoConfig.from_pretrained(folder), image_token_index=picture, vision_feature_layer=-1
    )
    model = LlavaForConditionalGeneration(config).float()
    model.config.text_config.use_cache = False
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "multi_modal_projector" in name
    said = arbitrary_ids(4, words, picture)
    ids = torch.cat([torch.full((4, places), picture), said], 1)
    labels = torch.cat([torch.full((4, places), -100), said], 1)
    pixels = torch.rand(4, 3, 224, 224) * 2 - 1
    return model, lambda: model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, labels=labels).loss


def arbitrary_ids(rows: int, tokens: int, vocab: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(0, vocab, (rows, tokens))


def main() -> None:
    work, kind, steps, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), (sys.argv + [""])[4]
    torch.set_num_threads(2)
    model, loss_of = {"lora": lora, "gpt": gpt, "projector": projector}[work](folder)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.01)
    times, losses = [], []
    for _ in range(steps + 1):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16"):
            loss = loss_of()
        loss.backward()
        optimizer.step()
        times.append(1000 * (time.perf_counter() - started))
        losses.append(loss.item())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"times": times[1:], "losses": losses, "peak": peak}))


main()
