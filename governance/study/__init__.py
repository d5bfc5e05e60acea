"""The governance study: does the mandate tell an edge from luck? Simulated markets through the very command of recalibration."""
