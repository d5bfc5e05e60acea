"""Searching parameters: the space, its combinations scored in chunks, what is kept of them, and what it is worth."""
