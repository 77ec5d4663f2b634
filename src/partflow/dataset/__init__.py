"""Labelled events, packed into flat memory-mapped arrays and read back as batches.

Nothing is ever padded: the elements of a batch stand one after the other, with offsets.
"""
