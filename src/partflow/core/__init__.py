"""The vocabulary every room speaks: records, names, units, geometry, files, errors."""
