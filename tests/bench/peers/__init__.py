"""Who is measured: one module each, which says how it is installed and configured."""
