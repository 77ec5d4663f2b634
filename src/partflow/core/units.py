"""Constants of nature in the units of this package: mm, ns, GeV, T, and the elementary charge."""

LIGHT_SPEED_MM_PER_NS = 299.792458
"""Speed of light [mm/ns]."""
LIGHT_SPEED_GEV_PER_T_MM = 0.000299792458
"""Speed of light in the units of bending [GeV/(T mm)]: a particle of unit charge has
pt = LIGHT_SPEED_GEV_PER_T_MM * field * radius."""
