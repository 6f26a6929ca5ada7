"""The reference cloud side: every reading into SQLite once, acknowledged or answered after its commit."""
