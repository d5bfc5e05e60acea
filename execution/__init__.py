"""From targets to orders at the broker."""
