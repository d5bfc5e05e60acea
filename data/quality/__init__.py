"""Checks of price bars when they are loaded, and what is done about what they find."""
