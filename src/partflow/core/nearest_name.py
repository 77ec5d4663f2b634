"""Advice for a name that is not known: the nearest of those that are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], at_most: int = 1) -> str:
    """A question that begins with "; " and names the nearest of `known`; "" if none is near.

    >>> did_you_mean("transfomer", ["transformer", "favor"])
    "; did you mean 'transformer'?"
    >>> did_you_mean("clic-fest", ["clic-fast", "cld-fast", "cld-geant4"], at_most=3)
    "; did you mean 'clic-fast' or 'cld-fast'?"
    >>> did_you_mean("mamba", ["transformer", "favor"])
    ''
    """
    nearest = difflib.get_close_matches(str(name), list(known), n=at_most)
    return f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
