"""The registry of veto models: versions that are never changed, one of them in use, and a card for people."""
