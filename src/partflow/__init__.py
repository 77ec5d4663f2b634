"""Machine-learned particle flow for electron-positron collisions.

Each stage of the pipeline is a package: `generate`, `simulate` (or `ingest`), `reconstruct`,
`label`, `dataset`, `train`, `infer`, `evaluate`. `import partflow` loads none of them.
"""

from partflow._kernels import bind_kernel_cache
from partflow._version import __version__

__all__ = ["__version__"]

bind_kernel_cache()
