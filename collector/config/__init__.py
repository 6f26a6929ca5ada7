"""The operator's configuration: typed, checked as a whole, secrets only by file."""
