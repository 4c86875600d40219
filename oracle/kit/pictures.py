"""Small pictures drawn from a seed."""

import numpy as np
from PIL import Image

from .folder import FixtureFolder

ORIENTATION = 0x0112  # EXIF tag; value 6 means: turn by 90 degrees clockwise to show


def pixels(seed: int, width: int, height: int) -> np.ndarray:
    """Colour waves under a chequered disc: smooth regions, hard edges, no symmetry. [height, width, 3] of 8 bits."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(x / random.uniform(4, 15) + random.uniform(0, 6)) * np.cos(y / random.uniform(4, 15)) for _ in range(3)
    ]
    values = 128 + 90 * np.stack(waves, axis=-1)
    centre_x, centre_y, radius = (
        width * random.uniform(0.3, 0.7),
        height * random.uniform(0.3, 0.7),
        min(width, height) / 3,
    )
    disc = (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
    colours = random.integers(0, 256, size=(2, 3))
    values[disc] = colours[((x // 5 + y // 5) % 2)[disc]]
    return values.clip(0, 255).astype(np.uint8)


def draw_picture(
    fixture: FixtureFolder, name: str, seed: int, width: int, height: int, mode: str = "RGB"
) -> Image.Image:
    """Draws media/<name> and returns it as a loader must see it: turned by EXIF, then three channels.

    A .jpg is written with orientation 6, so that width and height are those of the file, not of the picture.
    """
    fixture.media.mkdir(exist_ok=True)
    picture = Image.fromarray(pixels(seed, width, height))
    file = fixture.media / name
    if mode == "RGBA":
        ramp = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
        picture.putalpha(Image.fromarray(ramp))
        fixture.note(f"media/{name} has an alpha channel: convert('RGB') drops it, nothing is blended")
    elif mode != "RGB":
        picture = picture.convert(mode)
    if name.endswith(".jpg"):
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        picture.save(file, quality=95, subsampling=0, exif=exif)
        fixture.note(
            f"media/{name} carries EXIF orientation 6: turn it before anything else; "
            "other JPEG decoders may differ by a level or two, so compare its row of processed/pixel_values loosely"
        )
    else:
        picture.save(file)
    return load_picture(fixture, name)


def load_picture(fixture: FixtureFolder, name: str) -> Image.Image:
    from transformers.image_utils import load_image

    return load_image(str(fixture.media / name))
