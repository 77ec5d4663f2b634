"""Reports of an evaluation: plots, tables, event displays, and the page that contains them."""
