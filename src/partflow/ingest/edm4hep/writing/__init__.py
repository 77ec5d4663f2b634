"""Records to EDM4hep collections, one module for each kind of object."""
