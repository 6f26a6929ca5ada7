"""Known secrets taken out of text that somebody else wrote: a far end may repeat what we sent it."""

from collections.abc import Iterable

MASK = "***"

_SHORTEST = 3
"""Characters. Less is no secret, and masking it would leave no text."""


class Mask:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Longest first, so that a secret that holds another one leaves no rest."""
        self._secrets = sorted((secret for secret in set(secrets) if len(secret) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text
