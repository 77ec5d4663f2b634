"""The package geant4_pybind, imported so that it neither asks for a download nor starts one.

It does either when it is imported without data. Modules that need it take it from here; they are
imported by functions only, after `data_sets.use` or `data_sets.use_none`.
"""

from partflow.simulate.geant4.data_sets import use_none

use_none()

import geant4_pybind as g4  # noqa: E402 (after use_none)

__all__ = ["g4"]
