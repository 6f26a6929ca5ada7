"""Edge Collector: reads sensors, keeps every reading, brings each to the cloud once."""

__version__ = "0.1.0"
