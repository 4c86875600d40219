"""Writes test/fixtures/checkpoint/reference.safetensors with the reference implementation: every dtype NumPy has, an empty
tensor, a scalar, names that need escapes. usage: python oracle/safetensors_file.py   needs: numpy, safetensors"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

out = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "checkpoint"
out.mkdir(parents=True, exist_ok=True)

numbers = np.arange(-3, 3)
tensors = {
    f"layer.{dtype}": numbers.astype(dtype).reshape(2, 3)
    for dtype in ["float64", "float32", "float16", "int64", "int32", "int16", "int8"]
}
tensors |= {
    f"layer.{dtype}": np.arange(6).astype(dtype).reshape(3, 2) for dtype in ["uint64", "uint32", "uint16", "uint8"]
}
tensors["mask"] = np.array([True, False, True])
tensors["empty"] = np.zeros((0, 4), np.float32)
tensors["scalar"] = np.array(2.5, np.float32)
tensors['naïve "name" \\ 🙂'] = np.array([1.0], np.float16)
tensors["\uffee"] = np.array([2.0], np.float16)
save_file(tensors, out / "reference.safetensors", metadata={"format": "pt"})
