"""The tracker: what happens to particles in front of the calorimeter, and their tracks.

It is fast in every engine: decays, conversions, nuclear interactions and bremsstrahlung in the
tracker's material, tracks with the detector's resolution. Engines differ behind the calorimeter's
face, so that two of them give the same tracks for the same event.
"""
