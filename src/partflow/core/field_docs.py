"""Docstrings of the fields of a dataclass: the help of its options, the comments of its file."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any


def field_docs(kind: Any) -> dict[str, str]:
    """The docstring below each field of the dataclass `kind`, on one line, by name.

    Fields without a docstring are left out.

    >>> from partflow.core.jets import JetDefinition
    >>> field_docs(JetDefinition)["min_pt"]
    'Least transverse momentum of a jet [GeV].'
    """
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            docs[statement.target.id] = re.sub(r"\s+", " ", str(following.value.value)).strip()
    return docs


def first_sentence(text: str) -> str:
    """The text up to its first full stop that ends a sentence.

    >>> first_sentence("Width of a layer. No effect on gnn_lsh.")
    'Width of a layer.'
    """
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
