"""EDM4hep ROOT files: the two podio layouts under one set of names, to records and back."""
