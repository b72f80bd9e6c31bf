"""Rules over the running server, as a stranger and an account of the check's own see it, and over its names. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bot.homeserver.facts import Answer, Facts, Seen, Trial
from bot.homeserver.rule import Level, Need, Rule, Verdict, judged_outside
from bot.homeserver.telling import telling_word

_FROM_SYNAPSE = frozenset({"M_MISSING_TOKEN", "M_UNKNOWN_TOKEN", "M_FORBIDDEN", "M_MISSING_PARAM"})
_TOKEN_STAGE = "m.login.registration_token"  # noqa: S105 - the name of a stage
LEAST_LIFE = 1 / 6  # of a certificate: renewal begins at a third


def _federation(seen: Seen) -> Verdict:
    names = ("federation", "keys", "server well-known")
    answered = [name for name in names if seen.answers[name].status == 200]
    if seen.federation_port:
        answered.append("port 8448")
    return Verdict(ok=not answered, found=f"{answered[0]} answers" if answered else "closed")


def _rooms(seen: Seen) -> Verdict:
    ok = seen.answers["rooms"].status not in {0, 200}
    return Verdict(ok=ok, found="closed" if ok else "open to anybody")


def _profiles(seen: Seen) -> Verdict:
    answer = seen.answers["profile"]
    looked_up = answer.status == 404 and answer.errcode not in {
        "",
        "M_UNRECOGNIZED",
    }  # an empty 404 is the proxy's
    told = answer.status == 200 or looked_up
    return Verdict(ok=not told, found="tells who exists" if told else "closed")


def _registration(seen: Seen) -> Verdict:
    answer = seen.answers["register"]
    if answer.status in {403, 404}:
        return Verdict(ok=True, found="closed")
    flows = answer.body.get("flows")
    stages = [
        each.get("stages") for each in (flows if isinstance(flows, list) else ()) if isinstance(each, dict)
    ]
    if answer.status == 401 and stages:
        ok = all(isinstance(one, list) and _TOKEN_STAGE in one for one in stages)
        return Verdict(ok=ok, found="with a token" if ok else "open to anybody")
    return Verdict(ok=None if answer.status != 200 else False, found=f"answered with {answer.status}")


def _guests(seen: Seen) -> Verdict:
    ok = seen.answers["guest"].status not in {0, 200}
    return Verdict(ok=ok, found="refused" if ok else "let in")


def _taken_names(seen: Seen) -> Verdict:
    told = seen.answers["taken name"].errcode == "M_USER_IN_USE"
    return Verdict(ok=not told, found="told to whoever asks" if told else "kept")


def _reached(answer: Answer) -> bool:
    """Whether something of Synapse's administration has answered, rather than the proxy."""
    if answer.errcode in _FROM_SYNAPSE:
        return True
    kind = answer.headers.get("content-type", "")
    return answer.status == 200 and (bool(answer.body) or kind.startswith("text/plain"))


def _admin(seen: Seen) -> Verdict:
    reached = [path for path, answer in seen.admin.items() if _reached(answer)]
    return Verdict(ok=not reached, found=f"answers at {reached[0]}" if reached else "closed")


def _well_known(seen: Seen) -> Verdict:
    answer = seen.answers["client well-known"]
    server = answer.body.get("m.homeserver")
    address = server.get("base_url") if isinstance(server, dict) else None
    if not (answer.status == 200 and isinstance(address, str) and address.startswith("https://")):
        return Verdict(ok=False, found="not there" if answer.status != 200 else "without an https address")
    if answer.headers.get("access-control-allow-origin") != "*":
        return Verdict(ok=False, found="closed to web apps (CORS)")
    return Verdict(ok=True, found="there")


def _tls(seen: Seen) -> Verdict:
    if seen.tls is None:
        return Verdict(ok=False, found="no TLS")
    if seen.tls.error:
        return Verdict(ok=False, found=f"certificate: {seen.tls.error}")
    if seen.tls.old:
        return Verdict(ok=False, found=f"speaks {', '.join(seen.tls.old)}")
    return Verdict(ok=True, found=seen.tls.version)


def _renewal(seen: Seen) -> Verdict:
    if seen.tls is None or seen.tls.error:
        return Verdict(ok=None, found="see the rule above")
    left = seen.tls.life_left
    return Verdict(ok=left >= LEAST_LIFE, found=f"{max(0.0, left):.0%} of its life left")


def _plain(seen: Seen) -> Verdict:
    ok = seen.plain.status != 200
    return Verdict(
        ok=ok, found="closed" if seen.plain.status == 0 else "sent to https" if ok else "answers in clear"
    )


def _strict(seen: Seen) -> Verdict:
    ok = "strict-transport-security" in seen.answers["versions"].headers
    return Verdict(ok=ok, found="asked for" if ok else "not asked for")


def _tried(
    of: Callable[[Trial], bool | None], *, wanted: bool, good: str, bad: str
) -> Callable[[Seen], Verdict]:
    def judge(seen: Seen) -> Verdict:
        value = of(seen.trial)
        if value is None:
            return Verdict(ok=None, found="not tried")
        return Verdict(ok=value is wanted, found=good if value is wanted else bad)

    return judge


def _names(facts: Facts) -> Verdict:
    for name in facts.names:
        if word := telling_word(name):
            return Verdict(ok=False, found=f"{name} ({word})")
    return Verdict(ok=True if facts.names else None, found="neutral" if facts.names else "no name is known")


def _rule(
    id: str,  # noqa: A002 - the table's own word
    what: str,
    why: str,
    judge: Callable[[Seen], Verdict],
    mend: str,
    level: Level = Level.FAULT,
) -> Rule:
    return Rule(
        id=id, what=what, why=why, level=level, need=Need.OUTSIDE, judge=judged_outside(judge), mend=mend
    )


_PROXY = "write the proxy's configuration with pli homeserver init"
_ADMIN = "give --admin-token-file (and --admin-url); then "

OUTSIDE_RULES: tuple[Rule, ...] = (
    _rule("out-tls", "TLS, from outside", "tokens and times would go in clear", _tls, _PROXY),
    _rule(
        "out-renewal",
        "the certificate is renewed",
        "the day it ends, nobody hears anything",
        _renewal,
        "see why the proxy does not renew it (its log, port 80)",
        Level.WARNING,
    ),
    _rule("out-plain", "http without TLS, from outside", "a token could be read on its way", _plain, _PROXY),
    _rule(
        "out-strict",
        "browsers told to use TLS alone (HSTS)",
        "the first request could be caught",
        _strict,
        "header Strict-Transport-Security",
        Level.WARNING,
    ),
    _rule(
        "out-admin",
        "the admin API, from outside",
        "it resets passwords and reads who talks to whom",
        _admin,
        f"{_PROXY}: it lets /_matrix/client through, and nothing else",
    ),
    _rule(
        "out-federation", "other homeservers, from outside", "others learn who is here", _federation, _PROXY
    ),
    _rule(
        "out-registration",
        "registration, from outside",
        "strangers could write to patients",
        _registration,
        "registration_requires_token: true",
    ),
    _rule(
        "out-guests",
        "guests, from outside",
        "nobody knows who they are",
        _guests,
        "allow_guest_access: false",
    ),
    _rule(
        "out-rooms",
        "list of rooms, from outside",
        "there is nothing to find here",
        _rooms,
        "allow_public_rooms_without_auth: false",
    ),
    _rule(
        "out-profiles",
        "directory of people, from outside",
        "whether an account exists is nobody's business",
        _profiles,
        "require_auth_for_profile_requests: true",
    ),
    _rule(
        "out-taken-names",
        "names of accounts, from outside",
        "names can be tried out",
        _taken_names,
        "inhibit_user_in_use_error: true",
    ),
    _rule(
        "out-well-known",
        "apps find the homeserver by its domain",
        "else patients must type its address",
        _well_known,
        "serve well-known/matrix/client on the domain, Access-Control-Allow-Origin: *",
        Level.WARNING,
    ),
    _rule(
        "out-encryption",
        "a new room is encrypted, tried",
        "a room opened by mistake would be in clear",
        _tried(lambda t: t.encrypted, wanted=True, good="encrypted", bad="in clear"),
        _ADMIN + "encryption_enabled_by_default_for_room_type: all",
    ),
    _rule(
        "out-token",
        "a log-in holds, tried",
        "patients would be logged out, and hear nothing",
        _tried(lambda t: t.token_expires, wanted=False, good="without end", bad="ends by itself"),
        _ADMIN + "take session_lifetime out",
    ),
    _rule(
        "out-push",
        "pushes leave the homeserver, tried",
        "no telephone would ring",
        _tried(lambda t: t.pushed, wanted=True, good="the gateway answered", bad="no answer came back"),
        _ADMIN + "let the homeserver reach the push gateway (firewall, proxy, ip_range_blocklist)",
    ),
    _rule(
        "out-limits",
        "rate limits of the bot",
        "with the defaults it could greet one patient a minute",
        _tried(lambda t: t.limits_lifted, wanted=True, good="lifted", bad="not lifted"),
        _ADMIN + "pli homeserver accounts bot",
    ),
)

NAME_RULE = Rule(
    id="names",
    what="names free of telling words",
    why="push providers and networks read them",
    level=Level.FAULT,
    need=Need.ANY,
    judge=_names,
    mend="a neutral domain and a neutral bot: they cannot be changed later",
)
