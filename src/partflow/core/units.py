"""Constants of nature in the units of this package: mm, ns, GeV, T, and the elementary charge."""

LIGHT_SPEED_MM_PER_NS = 299.792458
"""Speed of light [mm/ns]."""
LIGHT_SPEED_GEV_PER_T_MM = 0.000299792458
"""The same as bending power [GeV/(T mm)]: pt = LIGHT_SPEED_GEV_PER_T_MM * field * radius for a
particle of unit charge."""
