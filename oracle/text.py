"""Writes test/fixtures/text: what the tokenizers library and Jinja give for odd texts and templates.

python oracle/text.py        needs tokenizers 0.23.3 and jinja2 3.1.6
"""

import json
from pathlib import Path

import text_templates
import text_tokenizers

OUT = Path(__file__).parent.parent / "test" / "fixtures" / "text"


def write(name, data):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write("tokenizers.json", text_tokenizers.fixture())
    write("templates.json", text_templates.templates())
