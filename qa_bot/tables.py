"""Tables and records -> Documents: each row or record is a paragraph."""

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from qa_bot.blocks import Block, document_of
from qa_bot.markup import decode
from qa_bot.types import Document


def parse_csv(source: str, data: bytes) -> Document:
    """A table whose first row names the columns: each other row is "column: value; ..."."""
    text = decode(data)
    csv.field_size_limit(1 << 24)
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = [" ".join(name.split()) for name in next(rows)]
        return document_of(source, data, (Block(_row(names, row)) for row in rows))
    except csv.Error as error:
        raise ValueError(f"no table: {error}") from None


def _row(names: list[str], row: list[str]) -> str:
    cells = ((" ".join(cell.split()), i) for i, cell in enumerate(row))
    return "; ".join(
        f"{names[i]}: {cell}" if i < len(names) and names[i] else cell for cell, i in cells if cell
    )


def parse_json_lines(source: str, data: bytes) -> Document:
    """Records, one a line: each is "key: value", line by line."""

    def records() -> Iterator[Any]:
        for number, line in enumerate(decode(data).splitlines(), start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ValueError(f"line {number} is no JSON ({error})") from None

    return document_of(source, data, (Block(_record(record)) for record in records()))


def parse_json(source: str, data: bytes) -> Document:
    """One JSON value; of a list each item is a record as of JSON lines."""
    try:
        value = json.loads(decode(data))
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON ({error})") from None
    return document_of(
        source, data, (Block(_record(item)) for item in (value if isinstance(value, list) else [value]))
    )


def _record(value: Any) -> str:
    return "\n".join(f"{name}: {words}" if name else words for name, words in _fields(value, ""))


def _fields(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """(path, words) of each leaf; a list of plain values is one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for item in value:
            yield from _fields(item, name)
    elif isinstance(value, list):
        yield name, ", ".join(islice((_plain(item) for item in value), 1_000))
    elif value is not None:
        yield name, _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
