"""EDM4hep collections to records, one module for each kind of object."""
