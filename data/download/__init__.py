"""Downloads of past bars: Interactive Brokers over its own session, Yahoo and Polygon over HTTP."""
