"""Dataclasses as commented TOML, and TOML files as nested dictionaries.

The standard library reads TOML but does not write it. What a configuration holds is few types, so
they are written here: numbers, text, truth values, lists and tables.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from partflow.core.errors import InputError
from partflow.core.field_docs import field_docs, first_sentence

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(table: str, config: Any, left_out: frozenset[str] = frozenset()) -> str:
    """The dataclass `config` as the TOML table `table`, each field below a comment.

    A comment is the first sentence of the field's docstring, with its choices. Fields that are
    None are commented out, since TOML has no such value. Fields named in `left_out` are not
    written.

    >>> from partflow.core.jets import JetDefinition
    >>> print(to_toml("jets", JetDefinition()).splitlines()[:3])
    ['[jets]', '# Angular radius R [rad].', 'radius = 0.4']
    """
    return "\n".join(_lines_of_table(table, config, left_out)) + "\n"


def read_toml(path: Path) -> dict[str, Any]:
    """The content of the TOML file `path`; raises InputError where it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a TOML file ({error}); correct it") from error


def toml_value(value: Any) -> str:
    """`value` in TOML; raises TypeError for what TOML does not have.

    >>> toml_value({"name": "µ", "cells": (1, 2.5, True)})
    '{name = "µ", cells = [1, 2.5, true]}'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)  # inf, -inf, nan
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    raise TypeError(f"TOML has no value for {value!r}")


def _lines_of_table(table: str, config: Any, left_out: frozenset[str]) -> Iterator[str]:
    """Lines of a table: its values first, then its sub-tables, as TOML wants it."""
    yield f"[{table}]"
    hints, docs = get_type_hints(type(config)), field_docs(type(config))
    sub_tables = []
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in left_out:
            continue
        if is_dataclass(value) or isinstance(value, Mapping):
            sub_tables.append(field.name)
            continue
        yield from _comment(docs.get(field.name, ""), hints[field.name])
        yield (
            f"# {field.name} = (none)" if value is None else f"{field.name} = {toml_value(value)}"
        )
    for name in sub_tables:
        value = getattr(config, name)
        yield ""
        yield from _comment(docs.get(name, ""), hints[name])
        if is_dataclass(value):
            yield from _lines_of_table(f"{table}.{name}", value, frozenset())
        else:
            yield f"[{table}.{name}]"
            yield from (f"{_key(key)} = {toml_value(v)}" for key, v in value.items())


def _comment(text: str, hint: Any) -> Iterator[str]:
    """The comment of a field: the first sentence of its docstring, and its choices."""
    text = first_sentence(text)
    choices = [str(c) for part in (hint, *get_args(hint)) if get_origin(part) is Literal
               for c in get_args(part)]  # fmt: skip
    if choices:
        text = f"{text} Choices: {', '.join(choices)}.".strip()
    if text:
        yield f"# {text}"


def _key(name: str) -> str:
    """A key, in quotes where TOML wants them."""
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)
