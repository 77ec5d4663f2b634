"""Stand-ins for Geant4's data files, computed from formulas.

They let Geant4 run where its own data sets are not installed: in tests, and on request. The physics
is approximate; each module says how well its formula describes nature. Results from stand-in data
are marked in their provenance and are not for publication.

`elements` has the atoms and the measured constants, `bremsstrahlung`, `photons`, `neutrons` and
`photonuclear` the formulas, `sandia` reads the photoelectric effect from Geant4 itself, `tables`
writes the formats that Geant4 reads, and `folder` makes and checks the whole.
"""
