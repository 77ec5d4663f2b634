"""What all packages share: records, names, units, detector description, files, errors."""
