"""Backbones and heads by name: built in, of an installed package, or of the user's own code.

    transformer                      a name of partflow
    my-backbone                      an entry point of an installed package, in the groups
                                     `partflow.backbones` and `partflow.heads`
    my_package.my_module:MyBackbone  a class that the user names

Nothing is imported until the network is made. A class of the third kind is code that comes from
outside the installation: it is only imported where the user names it, never because a model folder
does (`check_named_again`). What the user named is trusted for the rest of the process.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from partflow.core.errors import ConfigError
from partflow.core.nearest_name import did_you_mean

AUTO = "auto"
"""Head of a configuration whose training chooses between `direct` and `sharing`."""
_CLASS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""package.module:Class"""
_IMPORTED: set[str] = set()
"""Classes of the form package.module:Class that this process has imported."""


@dataclass(frozen=True)
class Registry:
    """The classes that a name in a configuration may stand for."""

    part: str
    """Part of the network, as in `ModelConfig`: backbone or head."""
    group: str
    """Group of entry points."""
    built_in: Mapping[str, str]
    """module:Class of the names of partflow."""

    def check(self, name: str) -> None:
        """Raise ConfigError unless `name` is known or has the form package.module:Class."""
        if name in self.built_in or is_class_name(name) or name in self._entry_points():
            return
        known = [*self.built_in, *self._entry_points()]
        nearest = did_you_mean(name, known)
        raise ConfigError(
            f"model.{self.part} = {name!r}{f'{nearest} Choose' if nearest else '; choose'} one of "
            f"{', '.join(known)}, or give package.module:Class"
        )

    def load(self, name: str) -> Any:
        """The class that `name` stands for; imports its module.

        Raises ConfigError where there is none.
        """
        self.check(name)
        if name in self._entry_points() and name not in self.built_in:
            return self._entry_points()[name].load()
        module_name, _, class_name = self.built_in.get(name, name).partition(":")
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # the module exists, and lacks one that it imports
            raise ConfigError(
                f"model.{self.part} = {name!r}: there is no module {error.name!r}; install it, or "
                "name its folder in the environment variable PYTHONPATH"
            ) from None
        for attribute in class_name.split("."):
            if not hasattr(found, attribute):
                raise ConfigError(
                    f"model.{self.part} = {name!r}: {module_name} has no {class_name!r}"
                    f"{did_you_mean(attribute, dir(found)) or '; correct the name'}"
                )
            found = getattr(found, attribute)
        if name not in self.built_in:
            _IMPORTED.add(name)
        return found

    def check_named_again(self, stored: str, given: str | None, folder: object) -> None:
        """Raise ConfigError unless the name `stored` in `folder` may be loaded.

        `given` is what the user named, if anything: a class of the form package.module:Class is
        code that a model folder from elsewhere could choose, so the user has to name it as well,
        unless this process has imported it already.
        """
        if given is not None and given != stored:
            raise ConfigError(
                f"{folder}: the network has the {self.part} {stored!r}, not {given!r}; name that "
                f"one, or leave --{self.part} out"
            )
        if is_class_name(stored) and given is None and stored not in _IMPORTED:
            raise ConfigError(
                f"{folder}: the network has the {self.part} {stored!r}, which is code outside of "
                f"partflow; if you trust it, name it as well: --{self.part} {stored}"
            )

    def _entry_points(self) -> dict[str, Any]:
        """Entry points of installed packages, by name."""
        return {entry.name: entry for entry in entry_points(group=self.group)}


def is_class_name(name: str) -> bool:
    """Whether `name` has the form package.module:Class.

    >>> is_class_name("my_package.backbones:MyBackbone"), is_class_name("transformer")
    (True, False)
    """
    return _CLASS.fullmatch(name) is not None


BACKBONE_REGISTRY = Registry(
    "backbone",
    "partflow.backbones",
    {
        "transformer": "partflow.model.transformer:Transformer",
        "gnn_lsh": "partflow.model.backbones:GnnLsh",
        "favor": "partflow.model.backbones:Favor",
    },
)
"""Backbones: `model.protocols.BackboneProtocol`."""
HEAD_REGISTRY = Registry(
    "head",
    "partflow.heads",
    {
        "direct": "partflow.model.heads:DirectHead",
        "sharing": "partflow.model.sharing:SharingHead",
    },
)
"""Heads: `model.protocols.HeadProtocol`."""
