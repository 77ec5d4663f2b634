"""Metadata at the beginning of a Markdown file, as YAML that any parser reads the same.

YAML is only written here, never read: text always stands in quotes with everything unusual escaped,
so no parser takes it for a number, a date or a truth value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def front_matter(metadata: Mapping[str, Any]) -> str:
    """The metadata between two lines of `---`.

    Keys must be plain words. Values are text, finite numbers, truth values, None, and lists and
    mappings of them.

    >>> print(front_matter({"license": "mit", "tags": ["a", "b"]}))
    ---
    license: "mit"
    tags:
    - "a"
    - "b"
    ---
    <BLANKLINE>
    """
    return "\n".join(["---", *_lines(metadata), "---", ""])


def _lines(value: Any) -> Iterator[str]:
    """The lines of a mapping or a list that is not empty."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _item(f"{key}:", item, "" if _is_list(item) else "  ")
        return
    for item in value:
        lines = list(_lines(item)) if _is_block(item) else [_scalar(item)]
        yield f"- {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])


def _item(start: str, value: Any, indent: str) -> Iterator[str]:
    """`start` followed by a value, on the same line if it is short."""
    if _is_block(value):
        yield start
        yield from (indent + line for line in _lines(value))
    else:
        yield f"{start} {_scalar(value)}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_block(value: Any) -> bool:
    """Whether a value has lines of its own."""
    return bool(value) and (_is_list(value) or isinstance(value, Mapping))


def _scalar(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} in metadata")
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}{e}{exponent}"
    return json.dumps(value)  # whole numbers, true, false, null, [], {}


def _escaped(character: str) -> str:
    """A character in double quotes."""
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~" or (character.isprintable() and character >= "\xa1"):
        return character
    return f"\\U{ord(character):08X}" if ord(character) > 0xFFFF else f"\\u{ord(character):04X}"
