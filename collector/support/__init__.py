"""`edge-collector support-bundle`: what somebody far away needs to help, and no secret."""
