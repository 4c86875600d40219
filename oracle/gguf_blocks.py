"""Writes test/fixtures/checkpoint/blocks.gguf and blocks.safetensors: random blocks of every quantised type, and the f32
values that the reference reads from them. usage: python oracle/gguf_blocks.py   needs: gguf, numpy, safetensors"""

from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from safetensors.numpy import save_file

out = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "checkpoint"
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(20240607)

# Where the f16 numbers of each block stand: random bits there would often be infinite or NaN.
HALVES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q2_K: [80, 82],
    Type.Q3_K: [108],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
    Type.Q8_K: [],
}


def random_blocks(type: Type, rows: int, blocks: int) -> np.ndarray:
    _, size = GGML_QUANT_SIZES[type]
    data = rng.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    for at in HALVES[type]:
        # Full 11-bit significands over many exponents, subnormal ones among them.
        values = (rng.standard_normal((rows, blocks)) * 2.0 ** rng.integers(-18, 4, (rows, blocks))).astype(np.float16)
        data[:, :, at : at + 2] = values[..., None].view(np.uint8)
    if type == Type.Q8_K:
        data[:, :, :4] = rng.standard_normal((rows, blocks)).astype(np.float32)[..., None].view(np.uint8)
    return data.reshape(rows, blocks * size)


def reference(type: Type, data: np.ndarray) -> np.ndarray:
    if type != Type.Q8_K:
        return gguf.quants.dequantize(data, type)
    # Not in the Python package; dequantize_row_q8_K of ggml-quants.c: y = d * q, q being the 256 bytes behind d.
    blocks = data.reshape(data.shape[0], -1, 292)
    scale = blocks[..., :4].copy().view(np.float32)
    return (scale * blocks[..., 4:260].view(np.int8).astype(np.float32)).reshape(data.shape[0], -1)


writer = gguf.GGUFWriter(out / "blocks.gguf", "none")
writer.add_uint8("value.u8", 200)
writer.add_int8("value.i8", -100)
writer.add_uint16("value.u16", 60000)
writer.add_int16("value.i16", -30000)
writer.add_uint32("value.u32", 4000000000)
writer.add_int32("value.i32", -2000000000)
writer.add_float32("value.f32", 0.5)
writer.add_bool("value.bool", True)
writer.add_string("value.text", "naïve 🙂")
writer.add_uint64("value.u64", 2**63 + 1)
writer.add_int64("value.i64", -(2**40))
writer.add_float64("value.f64", 0.1)
writer.add_array("list.i32", [1, -2, 3])
writer.add_array("list.f32", [0.5, -1.5])
writer.add_array("list.texts", ["a", "", "é"])
writer.add_array("list.flags", [True, False])
writer.add_array("list.lists", [[1, 2], [3]])
expected = {}
for type in HALVES:
    data = random_blocks(type, 3, 4 if GGML_QUANT_SIZES[type][0] == 32 else 2)
    writer.add_tensor(type.name, data, raw_dtype=type)
    expected[type.name] = reference(type, data)
plain = rng.standard_normal((2, 3)).astype(np.float32)
writer.add_tensor("F32", plain)
writer.add_tensor("F16", plain.astype(np.float16))
bf16 = gguf.quants.quantize(plain, Type.BF16)
writer.add_tensor("BF16", bf16, raw_dtype=Type.BF16)
writer.add_tensor("I32", np.arange(24, dtype=np.int32).reshape(2, 3, 4))
expected["F32"] = plain
expected["F16"] = plain.astype(np.float16).astype(np.float32)
expected["BF16"] = gguf.quants.dequantize(bf16, Type.BF16)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, out / "blocks.safetensors")
