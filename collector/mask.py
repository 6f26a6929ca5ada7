"""Known secrets taken out of text that somebody else wrote: a far end may repeat what we sent it."""

from collections.abc import Iterable

import msgspec

MASK = "***"

_SHORTEST = 3
"""Characters. Less is no secret, and masking it would leave no text."""


class Mask:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Each also as JSON writes it; longest first, so that a secret that holds another one leaves no rest."""
        long = {secret for secret in secrets if len(secret) >= _SHORTEST}
        long |= {msgspec.json.encode(secret).decode()[1:-1] for secret in long}
        self._secrets = sorted(long, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text
