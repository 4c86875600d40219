"""Files of samples as their own libraries write them, and what those libraries read in them again.

Writes test/fixtures/data: WebDataset archives, Parquet of every compression, CSV, a folder of pictures, and expected.json.

usage: python oracle/data_files.py   needs: datasets, pyarrow, pandas, webdataset, pillow, numpy
"""

import csv
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import datasets
import pandas
import pyarrow
import pyarrow.parquet
import webdataset
from kit.pictures import pixels
from PIL import Image

out = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "data"

# Commas, quotation marks, line breaks, other scripts, and what a careless reader would split at.
CAPTIONS = [
    "a tall tree, and a bird",
    'they say "two birds"',
    "first line\nsecond line",
    "Überraschung 🐈; größer",
    "tab\there",
    "plain",
    " spaces around ",
]


def picture(seed: int, kind: str) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels(seed, 14 + seed, 11)).save(data, kind)
    return data.getvalue()


PICTURES = [picture(i, "JPEG" if i % 2 else "PNG") for i in range(len(CAPTIONS))]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def chat(pictures: int, *turns: str) -> list:
    """Questions and answers in turn; the pictures stand before the first question."""
    messages = []
    for i, text in enumerate(turns):
        if i % 2:
            messages.append({"role": "assistant", "content": text})
            continue
        images = [{"type": "image"}] * pictures if i == 0 else []
        words = [{"type": "text", "text": text}] if text else []
        messages.append({"role": "user", "content": images + words if images else text})
    return messages


def sample(messages: list, *pictures: bytes, **more) -> dict:
    return {"messages": messages, "pictures": [sha(data) for data in pictures], **more}


def captioned(name: str, captions: list[str]) -> dict:
    return {name: [sample(chat(1, "", text), data) for text, data in zip(captions, PICTURES)]}


# --- WebDataset ----------------------------------------------------------------------------------------------------

LONG = "a-folder-whose-name-is-long/" * 5 + "0003"
RECORD = {"conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": CAPTIONS[1]}]}
TWO = {"image": ["x.png", "y.jpg"], "question": "What differs?", "answer": CAPTIONS[2]}


def members() -> list[tuple[str, bytes]]:
    """Names and bytes; what is no part of a sample is left out by a reader."""
    return [
        ("._0000.png", b"what another system notes"),
        ("0000.png", PICTURES[0]),
        ("0000.txt", CAPTIONS[0].encode()),
        ("0000.cls", b"7"),
        ("0001.json", json.dumps(RECORD).encode()),
        ("0001.jpg", PICTURES[1]),
        ("0002.0.png", PICTURES[2]),
        ("0002.1.jpg", PICTURES[3]),
        ("0002.json", json.dumps(TWO).encode()),
        (f"{LONG}.PNG", PICTURES[4]),
        (f"{LONG}.caption", CAPTIONS[3].encode()),
    ]


def expected_archive() -> list[dict]:
    return [
        sample(chat(1, "", CAPTIONS[0]), PICTURES[0], id="0000"),
        sample(chat(1, "What?", CAPTIONS[1]), PICTURES[1], id="0001"),
        sample(chat(2, "What differs?", CAPTIONS[2]), PICTURES[2], PICTURES[3], id="0002"),
        sample(chat(1, "", CAPTIONS[3]), PICTURES[4], id=LONG),
    ]


def archives() -> dict:
    expected = {}
    for name, form in {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}.items():
        path = out / f"{name}.tar"
        with tarfile.open(path, "w", format=form) as archive:
            folder = tarfile.TarInfo("a-folder")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for file, data in members():
                info = tarfile.TarInfo(file)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        check_archive(path)
        expected[path.name] = expected_archive()
    # Shards, as the library's own writer makes them.
    for shard in range(2):
        path = out / f"shard-00{shard}.tar"
        with webdataset.TarWriter(str(path), mtime=0, user="", group="") as writer:
            for i in range(3 * shard, 3 * shard + 3):
                kind = "jpg" if i % 2 else "png"
                writer.write({"__key__": f"key{i}", kind: PICTURES[i], "txt": CAPTIONS[i]})
    expected["shard-{000..001}.tar"] = [
        sample(chat(1, "", CAPTIONS[i].strip()), PICTURES[i], id=f"key{i}") for i in range(6)
    ]
    return expected


def check_archive(path: Path) -> None:
    """What WebDataset itself groups must be what is expected of a reader."""
    found = list(webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False))
    assert [one["__key__"] for one in found if "__key__" in one][-4:] == ["0000", "0001", "0002", LONG], found
    assert found[-1]["caption"] == CAPTIONS[3].encode() and found[-1]["png"] == PICTURES[4]


# --- Parquet -------------------------------------------------------------------------------------------------------


def parquet() -> dict:
    expected = {}
    # As the Hub has pictures: written by `datasets`, with its note of what the columns are.
    images = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(PICTURES)]
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    hub = datasets.Dataset.from_dict({"image": images, "caption": CAPTIONS}, features=features)
    hub.to_parquet(str(out / "hub.parquet"), batch_size=3)
    again = datasets.Dataset.from_parquet(str(out / "hub.parquet"), cache_dir=str(out / "cache"), keep_in_memory=True)
    assert [row["caption"] for row in again] == CAPTIONS
    shutil.rmtree(out / "cache", ignore_errors=True)
    expected |= captioned("hub.parquet", CAPTIONS)

    table = pyarrow.table({"images": [images[i : i + 1 + i % 2] for i in range(6)], "texts": exchanges()})
    wanted = [
        sample(chat(1 + i % 2, f"What is {i}?", CAPTIONS[i], "And?", "No more."), *PICTURES[i : i + 1 + i % 2])
        for i in range(6)
    ]
    for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
        name = f"{codec}.parquet"
        version = "2.0" if codec in ("zstd", "none") else "1.0"
        pyarrow.parquet.write_table(table, out / name, compression=codec, row_group_size=4, data_page_version=version)
        assert pyarrow.parquet.read_table(out / name).equals(table)
        expected[name] = wanted
    # One text that says a single letter so often that a thousandth of the memory it takes would be enough to hold it.
    bomb = pyarrow.table({"image": [PICTURES[0]], "caption": ["a" * 2**25]})
    pyarrow.parquet.write_table(bomb, out / "bomb.parquet", compression="zstd", use_dictionary=False, write_statistics=False)
    return expected | chats()


def exchanges() -> list:
    return [
        [
            {"user": f"What is {i}?", "assistant": CAPTIONS[i], "source": "made up"},
            {"user": "And?", "assistant": "No more.", "source": "made up"},
        ]
        for i in range(6)
    ]


def chats() -> dict:
    """Messages with parts, whose fields are null where another kind of part has them."""
    parts = [{"type": "image", "text": None}, {"type": "text", "text": "What is it?"}]
    messages = [
        [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]
        for text in CAPTIONS
    ]
    ids = list(range(10, 10 + len(CAPTIONS)))
    table = pyarrow.table({"id": ids, "images": [[data] for data in PICTURES], "messages": messages})
    pyarrow.parquet.write_table(table, out / "chats.parquet", row_group_size=3)
    answers = [{"role": "assistant", "content": [{"type": "text", "text": text}]} for text in CAPTIONS]
    question = chat(1, "What is it?")
    return {
        "chats.parquet": [
            sample([*question, answer], data, id=str(id)) for id, answer, data in zip(ids, answers, PICTURES)
        ]
    }


# --- Tables, folders -----------------------------------------------------------------------------------------------


def tables() -> dict:
    folder = out / "pictures"
    folder.mkdir()
    names = [f"{i}.{'jpg' if i % 2 else 'png'}" for i in range(len(PICTURES))]
    for name, data in zip(names, PICTURES):
        (folder / name).write_bytes(data)
    frame = pandas.DataFrame({"image": names, "caption": CAPTIONS, "note": ["", "x", "", "", "y", "", ""]})
    frame.to_csv(out / "commas.csv", index=False)
    frame.to_csv(out / "semicolons.csv", index=False, sep=";", encoding="utf-8-sig", lineterminator="\r\n")
    frame.to_csv(out / "tabs.csv", index=False, sep="\t", quoting=csv.QUOTE_ALL)
    for name in ("commas.csv", "semicolons.csv", "tabs.csv"):
        found = pandas.read_csv(out / name, sep=None, engine="python")
        assert list(found["caption"]) == CAPTIONS, name
    with open(folder / "metadata.jsonl", "w") as file:
        for name, text in zip(names, CAPTIONS):
            file.write(json.dumps({"file_name": name, "text": text}) + "\n")
    with open(out / "questions.jsonl", "w") as file:
        for name, text in zip(names, CAPTIONS):
            file.write(json.dumps({"images": [name], "question": "What is it?", "answer": text}) + "\n")
    read = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(out / "cache"))
    by_name = {Path(row["image"]["path"]).name: row["text"] for row in read.cast_column("image", datasets.Image(decode=False))}
    assert by_name == dict(zip(names, CAPTIONS))
    shutil.rmtree(out / "cache", ignore_errors=True)
    asked = [sample(chat(1, "What is it?", text), data) for text, data in zip(CAPTIONS, PICTURES)]
    same = captioned("", CAPTIONS)[""]
    return {name: same for name in ("commas.csv", "semicolons.csv", "tabs.csv", "pictures")} | {"questions.jsonl": asked}


if __name__ == "__main__":
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    expected = archives() | parquet() | tables()
    text = json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    (out / "expected.json").write_text(text + "\n", encoding="utf-8")
