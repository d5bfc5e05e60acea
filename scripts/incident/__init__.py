"""Incident files: what was known, said and done around a halt, and the same decision made again from it."""
