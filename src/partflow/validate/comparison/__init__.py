"""The fast simulation compared with stored events of another engine, such as Geant4.

The generator particles of stored events are simulated again by the fast engine. Showers of single
particles (`shapes`, `shower_quantities`) and jets of collisions (`jet_quantities`) are measured in
both, and each quantity gets a ratio with its interval and a verdict (`lines`).
"""

from partflow.validate.comparison.comparison import compare_engines, write_comparison_into

__all__ = ["compare_engines", "write_comparison_into"]
