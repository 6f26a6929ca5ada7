"""The reference cloud side for MQTT: every reading into SQLite once, each message acknowledged after its commit."""
