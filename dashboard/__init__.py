"""Read-only views of a running system."""
