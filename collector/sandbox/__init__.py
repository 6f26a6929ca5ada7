"""The process's own wall: Landlock for files and ports, seccomp for system calls. What stands is never taken down."""
