"""Starting, watching and stopping the system; no trading logic."""
