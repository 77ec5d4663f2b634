"""Importing this module compiles the kernels of simulation and reconstruction, or loads them.

Workers are forked from a process that did so: it happens once, however many they are.
"""

import numpy as np

from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, Events
from partflow.core.schemas import PARTICLES
from partflow.pipeline.events import simulate_events
from partflow.simulate.config import SimulationConfig

_nothing = Events(np.zeros(1), np.array(["none"]), {"particles": Collection.empty(PARTICLES, 1)})
simulate_events(_nothing, CLIC, SimulationConfig())
