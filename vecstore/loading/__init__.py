"""Loads: entries become batches, batches vectors, and these rows, by the write contract."""
