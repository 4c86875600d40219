"""Reference pictures and numbers of src/media: files of every kind that Pillow reads, its resampling, and the Pillow
processors of transformers. Writes test/fixtures/media/: the picture files and expected.json.

usage: python oracle/media.py   needs: numpy, pillow 13, transformers 5.23 (with torch, without torchvision)
"""

import base64
import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

out = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "media"
rng = np.random.default_rng(20240611)


def text(array: np.ndarray) -> str:
    """The array's bytes, deflated, in base64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def blocks(height: int, width: int) -> np.ndarray:
    """Patches of colour on a slope: edges for the filters, smoothness for the codecs."""
    patches = noise(-(-height // 7), -(-width // 5)).repeat(7, 0).repeat(5, 1)[:height, :width].astype(int)
    slope = np.linspace(-60, 60, width, dtype=int)[None, :, None]
    return np.clip(patches + slope, 0, 255).astype(np.uint8)


# --- Files ---------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(name: str, colour: int, depth: int, transparent: bool = False) -> None:
    """A PNG of a colour type and depth that Pillow itself may not write."""
    width, height = 13, 9
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = (width * depth * channels + 7) // 8
    data = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))]
    if colour == 3:
        data.append(chunk(b"PLTE", noise(1, 1 << depth).tobytes()))
    if transparent:
        data.append(chunk(b"tRNS", noise(1, 1 << depth, 1).tobytes() if colour == 3 else b"\0\1" * channels))
    lines = b"".join(b"\0" + rng.bytes(row) for _ in range(height))
    data += [chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    (out / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(data))


def write_pictures() -> None:
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            write_png(f"type{colour}-{depth}.png", colour, depth)
    for colour, depth in ((0, 8), (2, 16), (3, 4)):
        write_png(f"type{colour}-{depth}-transparent.png", colour, depth, transparent=True)

    picture = Image.fromarray(blocks(30, 42))
    picture.save(out / "444.jpg", quality=80, subsampling=0)
    picture.save(out / "422.jpg", quality=80, subsampling=1)
    picture.crop((0, 0, 41, 29)).save(out / "420-odd.jpg", quality=80, subsampling=2)
    picture.save(out / "progressive.jpg", quality=80, progressive=True)
    picture.convert("L").save(out / "grey.jpg", quality=80)
    inks = blocks(30, 42)
    Image.merge(
        "CMYK", [Image.fromarray(inks[:, :, i]) for i in (0, 1, 2)] + [Image.fromarray(inks[:, :, 0] // 3)]
    ).save(out / "cmyk.jpg", quality=90)
    alpha = np.dstack([blocks(30, 42), noise(30, 42, 1)])
    Image.fromarray(alpha).save(out / "alpha.webp", quality=70)
    Image.fromarray(alpha[:12, :15]).save(out / "lossless-alpha.webp", lossless=True, exact=True)
    picture.save(out / "moving.webp", save_all=True, append_images=[ImageOps.mirror(picture)], duration=100)
    picture.save(out / "colours.gif")
    picture.convert("L").save(out / "grey.gif")
    picture.convert("P").save(out / "interlaced.gif", interlace=1)
    picture.save(out / "moving.gif", save_all=True, append_images=[ImageOps.mirror(picture)])
    palette = picture.convert("P")
    palette.save(out / "transparent.gif", transparency=palette.getpixel((0, 0)))

    small = Image.fromarray(noise(5, 8))
    for orientation in range(1, 9):
        small.save(out / f"turned{orientation}.png", exif=exif_of(orientation))
    Image.fromarray(blocks(12, 20)).save(out / "turned6.jpg", exif=exif_of(6), quality=90)
    small.save(out / "turned8.webp", exif=exif_of(8), lossless=True)


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def upright(path: Path) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def files() -> list[dict]:
    cases = []
    for path in sorted(path for path in out.iterdir() if path.suffix != ".json"):
        rgb = upright(path)
        cases.append({"file": path.name, "width": rgb.shape[1], "height": rgb.shape[0], "rgb": text(rgb)})
    return cases


# --- Resampling ----------------------------------------------------------------------------------------------------

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
# Both smaller, both larger, one of each; the third and fourth begin with the columns in Pillow 13.
SIZES = [
    ((23, 17), (9, 11)),
    ((11, 7), (20, 19)),
    ((9, 31), (13, 12)),
    ((20, 37), (17, 9)),
    ((31, 9), (14, 15)),
    ((1, 29), (3, 8)),
]


def resampling() -> list[dict]:
    cases = []
    for filter, number in FILTERS.items():
        for index, ((width, height), (to_width, to_height)) in enumerate(SIZES):
            # Black and white shows the clipping of filters with negative lobes.
            source = noise(height, width) if index % 2 else (noise(height, width) > 127).astype(np.uint8) * 255
            result = np.asarray(Image.fromarray(source).resize((to_width, to_height), number))
            cases.append(
                {
                    "filter": filter,
                    "from": [width, height],
                    "to": [to_width, to_height],
                    "source": text(source),
                    "result": text(result),
                }
            )
    return cases


# As large as photographs, from a formula; of the results only hashes are kept.
LARGE = [
    ("bicubic", (1024, 768), (448, 336)),
    ("lanczos", (700, 1500), (301, 87)),
    ("bilinear", (333, 777), (1001, 778)),
    ("box", (5003, 61), (97, 30)),
    ("hamming", (640, 480), (640, 33)),
]


def large_picture(width: int, height: int) -> np.ndarray:
    places = np.arange(width * height * 3, dtype=np.uint64)
    return ((places * 2654435761 % 2**32) >> 24).astype(np.uint8).reshape(height, width, 3)


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def large_resampling() -> list[dict]:
    cases = []
    for filter, size, to in LARGE:
        result = Image.fromarray(large_picture(*size)).resize(to, FILTERS[filter])
        cases.append({"filter": filter, "from": size, "to": to, "sha256": sha256(np.asarray(result))})
    return cases


def large_processed() -> dict:
    """A photograph's worth of pixels as CLIP's processor gives them to a vision tower of 336 pixels."""
    config = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
    pixels = CLIPImageProcessorPil(**config)(Image.fromarray(large_picture(1024, 768)))["pixel_values"]
    result = np.asarray(pixels).astype(np.float32)
    return {"config": {"image_processor_type": "CLIPImageProcessor", **config}, "from": [1024, 768], "sha256": sha256(result)}


# --- Processors ----------------------------------------------------------------------------------------------------

MEAN = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
TINY_TILES = {"size": {"longest_edge": 20}, "max_image_size": {"longest_edge": 10}}

# Settings as a file gives them, and the pictures of each conversation.
PROCESSORS: list[tuple[type, dict, list[list[str]]]] = [
    (CLIPImageProcessorPil, {"size": {"shortest_edge": 18}, "crop_size": {"height": 16, "width": 16}, **MEAN}, [["444.jpg", "turned6.jpg"]]),
    (CLIPImageProcessorPil, {"size": 20, "crop_size": 23, "resample": 2}, [["444.jpg"]]),
    (CLIPImageProcessorPil, {"do_resize": False, "crop_size": {"height": 17, "width": 27}, "do_normalize": False}, [["turned6.jpg", "type6-8.png"]]),
    (BitImageProcessorPil, {"size": {"shortest_edge": 14, "longest_edge": 17}, "do_center_crop": False, "resample": 1}, [["420-odd.jpg"]]),
    (BitImageProcessorPil, {"size": {"max_height": 21, "max_width": 18}, "do_center_crop": False, "resample": 4}, [["alpha.webp"]]),
    (SiglipImageProcessorPil, {"size": {"height": 16, "width": 20}}, [["type4-8.png"], ["progressive.jpg"]]),
    (BlipImageProcessorPil, {"size": {"height": 18, "width": 18}, "rescale_factor": 0.00392156862745098}, [["grey.jpg"]]),
    (ViTImageProcessorPil, {"size": [11, 19], "do_rescale": False}, [["422.jpg"]]),
    (ViTImageProcessorPil, {"do_resize": False, "do_pad": True}, [["type6-8.png", "turned1.png"]]),
    (LlavaImageProcessorPil, {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}, "do_pad": True, "resample": 0}, [["420-odd.jpg"]]),
    (JanusImageProcessorPil, {"size": {"height": 16, "width": 16}, "min_size": 3, **MEAN}, [["turned6.jpg"], ["turned8.webp"]]),
    (JanusImageProcessorPil, {"size": {"height": 12, "width": 12}, "min_size": 9, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [["422.jpg"]]),
    (Idefics3ImageProcessorPil, TINY_TILES, [["turned6.jpg"], [], ["type6-8.png", "444.jpg"]]),
    (Idefics3ImageProcessorPil, {**TINY_TILES, "do_image_splitting": False}, [["turned6.jpg"], ["type6-8.png", "444.jpg"]]),
    (Idefics3ImageProcessorPil, {"size": {"height": 9, "width": 25}, "max_image_size": {"longest_edge": 10}, "do_pad": False}, [["444.jpg"]]),
    (SmolVLMImageProcessorPil, {"size": {"longest_edge": 15}, "max_image_size": {"longest_edge": 16}}, [["444.jpg"]]),
]  # fmt: skip


def processors() -> list[dict]:
    cases = []
    for kind, settings, conversations in PROCESSORS:
        processor = kind(**json.loads(json.dumps(settings)))
        pictures = [[Image.fromarray(upright(out / name)) for name in names] for names in conversations]
        case = {
            "config": {"image_processor_type": kind.__name__.removesuffix("Pil"), **settings},
            "pictures": conversations,
        }
        if kind in (Idefics3ImageProcessorPil, SmolVLMImageProcessorPil):
            result = processor(pictures, return_row_col_info=True)
            case["grids"] = [
                [list(map(int, grid)) for grid in zip(*rows_columns)]
                for rows_columns in zip(result["rows"], result["cols"])
            ]
        else:
            result = processor([picture for row in pictures for picture in row])
        pixels = np.asarray(result["pixel_values"]).astype(np.float32)
        case["pixel_values"] = {"shape": pixels.shape, "f32": text(pixels)}
        if "pixel_attention_mask" in result:
            mask = np.asarray(result["pixel_attention_mask"])
            case["pixel_attention_mask"] = {"shape": mask.shape, "u8": text(mask.astype(np.uint8))}
        cases.append(case)
    return cases


if __name__ == "__main__":
    out.mkdir(parents=True, exist_ok=True)
    write_pictures()
    expected = {
        "pillow": Image.__version__,
        "files": files(),
        "resampling": resampling(),
        "large": {"resampling": large_resampling(), "processed": large_processed()},
        "processors": processors(),
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
