"""Writes the reference fixtures: `python oracle/make.py [--only NAME ...] [--out FOLDER]`."""

import argparse
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the reference fixtures.")
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME", help="fixtures to write; all by default")
    parser.add_argument("--out", type=Path, default=HERE.parent / "test" / "fixtures", help="where the folders go")
    options = parser.parse_args()

    import diffusers
    import torch
    import transformers

    from families.table import FIXTURES
    from kit.folder import FixtureFolder

    torch.set_num_threads(1)  # sums in one order: two runs give the same bytes
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()

    unknown = set(options.only or ()) - set(FIXTURES)
    if unknown:
        parser.error(f"no such fixture: {', '.join(sorted(unknown))}; there are {', '.join(FIXTURES)}")
    for name in options.only or FIXTURES:
        entry = FIXTURES[name]
        fixture = FixtureFolder(options.out, name, entry.family, entry.shows, entry.seed)
        entry.make(fixture)
        print(f"{name:24} {fixture.finish() / 1000:7.0f} kB", flush=True)


if __name__ == "__main__":
    main()
