"""The broker connection: the only place that knows ibapi."""
