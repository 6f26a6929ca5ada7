"""The log: events with stable codes, on whatever stderr is, and never in the way of the data."""
