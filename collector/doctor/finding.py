"""What the doctor says of one thing."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    verdict: Verdict
    subject: str
    where: str
    text: str
    advice: str = ""
    """What to do; more than one line where a file's contents are proposed."""


class Subject:
    """Makes the findings about one thing in one place."""

    def __init__(self, subject: str, where: str) -> None:
        self.subject = subject
        self.where = where

    def ok(self, text: str) -> Finding:
        return Finding("ok", self.subject, self.where, text)

    def warn(self, text: str, advice: str) -> Finding:
        return Finding("warn", self.subject, self.where, text, advice)

    def fail(self, text: str, advice: str) -> Finding:
        return Finding("fail", self.subject, self.where, text, advice)
