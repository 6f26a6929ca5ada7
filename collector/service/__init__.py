"""The service manager that started the collector, and what it has put around it."""
