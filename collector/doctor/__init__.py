"""`edge-collector doctor`: looks at everything the collector stands on, one file a subject."""
