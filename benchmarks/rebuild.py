"""What a rebuild costs after a change, against a build from nothing: 1,000 documents.

    python benchmarks/rebuild.py DATA

Each document is a paragraph of SQuADShifts' new Wikipedia articles. Writes REBUILD.md.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from qa_bot import Settings, build_index
from qa_bot.evaluation import load, write_paragraphs
from qa_bot.models import encoder_for_build
from qa_bot.report import machine

HERE = Path(__file__).parent
DOCUMENTS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    encoder = encoder_for_build()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(sources=Path(folder, "sources"), index=Path(folder, "index"))
        settings.sources.mkdir()
        write_paragraphs(load(data / "squadshifts_new_wiki.json.xz").paragraphs, settings.sources)
        files = sorted(settings.sources.rglob("*.txt"))
        for path in files[DOCUMENTS:]:
            path.unlink()
        first, second, third = files[:3]
        changes: dict[str, Callable[[], object]] = {
            "from nothing": lambda: None,
            "nothing changed": lambda: None,
            "one document changed": lambda: first.write_text(first.read_text() + " The fox is new."),
            "one document added": lambda: second.with_name("new.txt").write_text("A river is wide."),
            "one document renamed": lambda: second.rename(second.with_name("renamed.txt")),
            "one document deleted": third.unlink,
        }
        lines, whole = [], 0.0
        for what, change in changes.items():
            change()
            report = build_index(settings, encoder)
            whole = whole or report.seconds
            share = f"{report.seconds / whole:.3f}"
            passages = f"{report.manifest.passages:,}"
            lines.append(f"| {what} | {passages} | {report.embedded:,} | {report.seconds:.2f} | {share} |")
    text = f"""# Rebuilding

`python benchmarks/rebuild.py DATA`, {DOCUMENTS:,} documents, one after the other, on {machine()}.

| | passages | embedded | seconds | share of the whole |
|---|---:|---:|---:|---:|
"""
    text += "\n".join(lines) + "\n"
    (HERE / "REBUILD.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
