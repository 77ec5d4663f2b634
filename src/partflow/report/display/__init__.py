"""One event to look at: what was measured, what was made of it, and what went wrong."""
