"""Writes one model in the forms that the programs of the benchmarks read, from its published GGUF file.

    npx tsx scripts/fetch-weights.ts smollm2
    python3 -m venv .venv && .venv/bin/pip install -r bench/requirements.txt
    .venv/bin/python bench/make_models.py [GGUF] [--out .cache/bench]

    gguf/model-Q8_0.gguf, gguf/model-F32.gguf    every matrix of the file in eight bits, and in floating-point numbers
    hugging-face/, hugging-face-bf16/            folders as transformers saves them; the exporter reads the former
    onnx/int4, onnx/fp32                         its exports: onnxruntime-genai's builder, as users of ONNX Runtime get them
    transformers-js/q4, transformers-js/fp32     the same graphs in the layout that transformers.js looks for
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType
from gguf.quants import dequantize, quantize
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

published = Path(".cache/weights/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")

# What the builder is given, and under which name transformers.js looks for the graph.
exports = {
    "int4": ("q4", "model_q4.onnx", ["int4_accuracy_level=4", "int4_block_size=32"]),
    "fp32": ("fp32", "model.onnx", []),
}


def requantise(source: Path, target: Path, kind: str):
    """Copies a GGUF file with its matrices encoded again; vectors stay f32."""
    file_types = {"F32": LlamaFileType.ALL_F32, "Q8_0": LlamaFileType.MOSTLY_Q8_0}
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = int(file_types[kind]) if name == "general.file_type" else field.contents()
        of_items = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type=of_items)
    to = GGMLQuantizationType[kind]
    for tensor in reader.tensors:
        numbers = dequantize(tensor.data, tensor.tensor_type).astype("float32")
        if kind == "F32" or numbers.ndim < 2:
            writer.add_tensor(tensor.name, numbers)
        else:
            writer.add_tensor(tensor.name, quantize(numbers, to), raw_dtype=to)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_folder(source: Path, folder: Path):
    """The model as transformers saves it, in f32 and, beside that, in bf16."""
    where = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    read = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # What was read from blocks is not saved; its numbers in a new model are.
    config = AutoConfig.from_pretrained(**where)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    model.to(torch.bfloat16).save_pretrained(f"{folder}-bf16")
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    # Where programs from before transformers 5 look.
    written["rope_theta"] = written["rope_parameters"]["rope_theta"]
    written["torch_dtype"] = "float32"
    written.setdefault("head_dim", written["hidden_size"] // written["num_attention_heads"])
    path.write_text(json.dumps(written, indent=2))


def export(folder: Path, target: Path, precision: str, options: list[str]):
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-m", str(folder), "-o", str(target)]
    command += ["-p", precision, "-e", "cpu", "-c", str(target.parent / "cache")]
    subprocess.run(command + (["--extra_options", *options] if options else []), check=True)


def arrange(folder: Path, exported: Path, target: Path, name: str):
    """Puts an export where transformers.js finds it. That reads the width of a head from the graph, so it is written there."""
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / file, target)
    width = json.loads((folder / "config.json").read_text())["head_dim"]
    model = onnx.load(exported / "model.onnx", load_external_data=False)
    for value in [*model.graph.input, *model.graph.output]:
        if value.name.startswith(("past_key_values", "present")):
            value.type.tensor_type.shape.dim[3].dim_value = width
    onnx.save(model, target / "onnx" / name)
    # A copy: ONNX Runtime refuses links that lead out of a model's folder.
    shutil.copy(exported / "model.onnx.data", target / "onnx")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gguf", nargs="?", type=Path, default=published)
    parser.add_argument("--out", type=Path, default=Path(".cache/bench"))
    given = parser.parse_args()
    (given.out / "gguf").mkdir(parents=True, exist_ok=True)
    for kind in ("Q8_0", "F32"):
        requantise(given.gguf, given.out / "gguf" / f"model-{kind}.gguf", kind)
    folder = given.out / "hugging-face"
    write_folder(given.gguf, folder)
    for precision, (name, file, options) in exports.items():
        exported = given.out / "onnx" / precision
        export(folder, exported, precision, options)
        arrange(folder, exported, given.out / "transformers-js" / name, file)


if __name__ == "__main__":
    main()
