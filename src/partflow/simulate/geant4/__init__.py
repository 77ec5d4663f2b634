"""The Geant4 engine: showers of particles that reach the calorimeter, simulated by Geant4.

An optional extra (`pip install "partflow[geant4]"`): nothing outside this package imports
geant4_pybind, and this package does so only in a process that simulates.
"""
