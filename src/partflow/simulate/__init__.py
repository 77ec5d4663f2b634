"""From generator particles to hits, tracks and their truth links.

Two engines simulate the showers: `fast` (parametrised) and `geant4` (an optional extra). `tracker`
is the same for both. The other modules are those that any simulation needs: readout cells, hits,
noise, fake tracks, digitisation, background. They never import an engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partflow.simulate.background import OverlayConfig, overlay
    from partflow.simulate.config import SimulationConfig, realistic
    from partflow.simulate.digitisation import Simulated
    from partflow.simulate.fast.simulation import simulate

_MODULES = {
    "OverlayConfig": "background",
    "Simulated": "digitisation",
    "SimulationConfig": "config",
    "overlay": "background",
    "realistic": "config",
    "simulate": "fast.simulation",
}
"""Where the public names are; they are imported when asked for, because the command line reads
settings of the engines for its help."""

__all__ = [
    "OverlayConfig",
    "Simulated",
    "SimulationConfig",
    "overlay",
    "realistic",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
