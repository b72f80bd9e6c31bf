"""One rule of ``pli homeserver check``, and what became of it. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bot.homeserver.facts import Configured, Facts, Seen


class Level(StrEnum):
    """A fault breaks a promise of Pli's; a warning weakens it."""

    FAULT = "fault"
    WARNING = "warning"


class Need(StrEnum):
    """What a rule looks at."""

    CONFIG = "config"
    OUTSIDE = "outside"
    ANY = "any"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """``ok`` None: it could not be seen, which is never called well."""

    ok: bool | None
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """``what`` is looked at and ``why``; ``mend`` says what to write or do."""

    id: str
    what: str
    why: str
    level: Level
    need: Need
    judge: Callable[[Facts], Verdict]
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A rule applied."""

    rule: Rule
    verdict: Verdict

    @property
    def level(self) -> Level | None:
        """None where all is well. What could not be seen is a warning."""
        if self.verdict.ok:
            return None
        return Level.WARNING if self.verdict.ok is None else self.rule.level


def judged_config(judge: Callable[[Configured], Verdict]) -> Callable[[Facts], Verdict]:
    """Of a rule that looks at the configuration alone."""

    def judged(facts: Facts) -> Verdict:
        return (
            Verdict(ok=None, found="no configuration given") if facts.config is None else judge(facts.config)
        )

    return judged


def judged_outside(judge: Callable[[Seen], Verdict]) -> Callable[[Facts], Verdict]:
    """Of a rule that looks at the running server alone."""

    def judged(facts: Facts) -> Verdict:
        return Verdict(ok=None, found="no address given") if facts.seen is None else judge(facts.seen)

    return judged
