"""The Debian package on Debian 13 with systemd: `make test-package`, which needs root. Not part of `make test`."""
