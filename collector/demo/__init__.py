"""The promise, shown: the real daemon between simulated devices and a cloud, cut off and killed, then audited."""
