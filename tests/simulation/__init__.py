"""Deterministic simulation: the real cores of main and of the watchdog under one simulated clock, network and broker."""
