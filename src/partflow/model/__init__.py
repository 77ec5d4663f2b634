"""The network: elements of packed events in, what each should become out."""
