"""Research at speed: the same work by us, by peers and by a bare kernel."""
