"""Benchmarks: ``make bench``. They measure and print; nothing here fails because something is slow."""
