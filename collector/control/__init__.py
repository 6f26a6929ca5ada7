"""Questions to the spool: asked by the command line, answered by the daemon, which alone writes."""
