"""Faults on purpose: what a broker, its network and its processes do on a bad day, scripted and reproducible.

Off by default: without ``--faults`` no object of this package exists, and the gateway asks nobody.
"""
