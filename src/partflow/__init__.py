"""Machine-learned particle flow for electron-positron collisions.

An event walks through rooms, one after the other: `generate`, `simulate`, `reconstruct`, `label`,
`dataset`, `train`, `infer`, `evaluate`. Importing `partflow` itself opens none of them.
"""

from partflow._kernels import bind_kernel_cache
from partflow._version import __version__

__all__ = ["__version__"]

bind_kernel_cache()
