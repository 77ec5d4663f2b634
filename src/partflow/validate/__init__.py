"""Validation of the simulated detector, and of the baseline reconstruction on it.

Particle guns and collisions are simulated and reconstructed like any events. Figures measured from
them (`measure`) are compared with a table of targets (`table`), drawn (`plots`) and written.
`comparison` compares the fast simulation with stored events of another engine.
"""

from partflow.validate.comparison import compare_engines, write_comparison_into
from partflow.validate.validation import validate, write_table_into

__all__ = ["compare_engines", "validate", "write_comparison_into", "write_table_into"]
