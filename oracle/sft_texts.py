"""Writes test/fixtures/sft-texts/losses.json: the first losses of TRL's SFTTrainer over texts that nobody answers.
usage: python oracle/sft_texts.py   needs: torch, transformers, trl, datasets; the fixture llama"""

import json
import tempfile
from pathlib import Path

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
TEXTS = ["two birds in a tree", "a tall tree", "a red kite on the lake", "nothing at all"]
RATE = 1e-3
STEPS = 3

model_folder = FIXTURES / "llama" / "model"
with tempfile.TemporaryDirectory() as output:
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_folder, dtype="float32"),
        processing_class=AutoTokenizer.from_pretrained(model_folder),
        train_dataset=Dataset.from_dict({"text": TEXTS}),
        args=SFTConfig(
            output_dir=output,
            per_device_train_batch_size=len(TEXTS),
            max_steps=STEPS,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            logging_steps=1,
            logging_nan_inf_filter=False,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
        ),
    )
    losses = []
    compute = trainer.compute_loss

    def noted(*given, **named):
        # The log rounds them.
        found = compute(*given, **named)
        losses.append((found[0] if isinstance(found, tuple) else found).item())
        return found

    trainer.compute_loss = noted
    trainer.train()

folder = FIXTURES / "sft-texts"
folder.mkdir(exist_ok=True)
(folder / "losses.json").write_text(json.dumps({"texts": TEXTS, "rate": RATE, "losses": losses}, indent=1) + "\n")
