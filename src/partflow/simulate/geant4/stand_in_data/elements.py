"""The elements of the stand-in data: atomic masses and measured neutron cross sections."""

from __future__ import annotations

from dataclasses import dataclass

NUM_ELEMENTS = 98
"""Geant4 knows the composition of the elements up to californium."""


@dataclass(frozen=True)
class MeasuredElement:
    """Measured constants of an element that calorimeters are made of.

    Thermal cross sections [b], at 2200 m/s, are those of V. F. Sears, Neutron News 3 (1992) 26.
    """

    atomic_mass: float
    """Standard atomic weight [g/mol]."""
    thermal_scattering: float
    """Scattering cross section of a bound nucleus for thermal neutrons [b]."""
    thermal_capture: float
    """(n, gamma) cross section for thermal neutrons [b]."""
    fast_capture: float
    """(n, gamma) cross section for neutrons of about 1 MeV [b], rounded."""
    inelastic_threshold: float
    """Kinetic energy above which neutrons excite most of the nuclei [MeV], rounded."""
    inelastic_factor: float = 1.12
    """Inelastic cross section at 14 MeV in units of that of the black disc, see `neutrons`."""


MEASURED: dict[int, MeasuredElement] = {
    1: MeasuredElement(1.008, 82.02, 0.332, 3e-5, 15.0, 0.0),
    6: MeasuredElement(12.011, 5.551, 0.0035, 2e-5, 4.8, 0.75),
    7: MeasuredElement(14.007, 11.51, 0.075, 2e-5, 2.5, 0.9),
    8: MeasuredElement(15.999, 4.232, 0.0002, 2e-5, 6.4, 0.9),
    13: MeasuredElement(26.982, 1.503, 0.231, 1e-3, 0.9),
    14: MeasuredElement(28.085, 2.167, 0.171, 1e-3, 1.85),
    18: MeasuredElement(39.95, 0.683, 0.675, 1e-3, 1.5),
    24: MeasuredElement(51.996, 3.49, 3.05, 4e-3, 1.0),
    26: MeasuredElement(55.845, 11.62, 2.56, 3e-3, 0.85),
    28: MeasuredElement(58.693, 18.5, 4.49, 5e-3, 1.4),
    29: MeasuredElement(63.546, 8.03, 3.78, 12e-3, 0.7),
    74: MeasuredElement(183.84, 4.60, 18.3, 60e-3, 0.12),
}
"""By atomic number."""


def atomic_mass(atomic_number: int) -> float:
    """Atomic mass [g/mol]: measured, or on the line of stability.

    There the semi-empirical mass formula gives Z = A / (1.98 + 0.0155 A^(2/3)) (W. E. Meyerhof,
    Elements of Nuclear Physics, 1967), good to 3 % from oxygen on.

    >>> atomic_mass(26), round(atomic_mass(82))
    (55.845, 207)
    """
    if atomic_number in MEASURED:
        return MEASURED[atomic_number].atomic_mass
    mass = 2.0 * atomic_number
    for _ in range(20):  # the iteration contracts: 20 steps are exact to a float's precision
        mass = atomic_number * (1.98 + 0.0155 * mass ** (2 / 3))
    return mass


def measured_or_typical(atomic_number: int) -> MeasuredElement:
    """Measured constants of an element, or typical values for one that calorimeters lack."""
    if atomic_number in MEASURED:
        return MEASURED[atomic_number]
    light, medium = 10, 40
    if atomic_number < light:
        threshold = 3.0
    elif atomic_number < medium:
        threshold = 1.2
    else:
        threshold = 0.3
    return MeasuredElement(atomic_mass(atomic_number), 6.0, 1.0, 3e-3, threshold)
