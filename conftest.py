"""Modules that pytest does not search for doctests: they start Geant4, once in a process."""

collect_ignore_glob = [
    f"src/partflow/simulate/geant4/{name}.py"
    for name in ("binding", "geometry", "materials", "physics", "process")
]
