"""The version of the package, for the build, `partflow --version` and the provenance of outputs."""

__version__ = "0.1.0"
