"""Reports: tables, figures, event displays, and the page that shows them."""
