"""Modbus as it stands on the wire: requests and replies, and which registers are worth asking for together."""
