"""The live engine: one thread that owns all domain state and takes events from one queue."""
