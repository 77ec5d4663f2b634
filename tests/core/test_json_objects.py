from dataclasses import dataclass
from typing import Any

import pytest

from partflow.core.errors import ConfigError
from partflow.core.json_objects import from_json_object


@dataclass(frozen=True)
class Layer:
    radius: float
    cells: tuple[int, ...] = ()


@dataclass(frozen=True)
class Part:
    name: str
    layer: Layer
    spare: Layer | str | None = None


def test_json_values_become_the_types_of_the_dataclass() -> None:
    values = {"name": "ecal", "layer": {"radius": 1, "cells": [2, 3]}, "spare": {"radius": 0.5}}
    assert from_json_object(Part, values) == Part("ecal", Layer(1.0, (2, 3)), Layer(0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"colour": 1, "shape": 2},
            "^colour, shape: unknown; the fields here are name, layer, spare$",
        ),
        (
            {"layer": {"radius": 1, "cell": []}},
            r"^layer\.cell: unknown; did you mean 'cells'\? The fields here are radius,",
        ),
        ({"spare": {"cells": []}}, r"^spare\.radius: missing; give it$"),
        ({"layer": {"radius": "1"}}, r"^layer\.radius: expected `float`, got `str`; correct it$"),
        ({"layer": {"radius": 1, "cells": [1, 2.5]}}, r"^layer\.cells\[1\]: expected `int`"),
        ({"layer": 5}, "^layer: expected `object`, got `int`; correct it$"),
        ({"spare": 5}, r"^spare: expected `str \| object \| null`, got `int`; correct it$"),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_json_object(Part, {"name": "ecal", "layer": {"radius": 1}, **change})


def test_a_value_that_is_no_object_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^expected `object`, got `array`; correct it$"):
        from_json_object(Part, [1])


def test_all_missing_keys_of_an_object_are_named_with_the_given_advice() -> None:
    with pytest.raises(ConfigError, match=r"^name, layer: missing; see the manual$"):
        from_json_object(Part, {}, if_missing="see the manual")
