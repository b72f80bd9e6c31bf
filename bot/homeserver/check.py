"""``pli homeserver check``: the one table of rules, and applying it. Pure."""

from __future__ import annotations

from bot.homeserver.facts import Facts
from bot.homeserver.rule import Finding, Level, Need, Rule
from bot.homeserver.rules_config import CONFIG_RULES
from bot.homeserver.rules_outside import NAME_RULE, OUTSIDE_RULES

RULES: tuple[Rule, ...] = (*CONFIG_RULES, *OUTSIDE_RULES, NAME_RULE)


def check(facts: Facts) -> tuple[Finding, ...]:
    """Every rule that ``facts`` are at hand for, in the table's order."""
    wanted = {Need.ANY}
    if facts.config is not None:
        wanted.add(Need.CONFIG)
    if facts.seen is not None:
        wanted.add(Need.OUTSIDE)
    return tuple(Finding(rule=rule, verdict=rule.judge(facts)) for rule in RULES if rule.need in wanted)


def worst(findings: tuple[Finding, ...]) -> Level | None:
    """None where all is well."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.FAULT, Level.WARNING) if level in levels), None)
