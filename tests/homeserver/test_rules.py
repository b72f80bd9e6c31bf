"""Every rule of the check, on an input that it must call good and on those that it must call bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.homeserver.check import RULES, check, worst
from bot.homeserver.facts import Answer, Configured, Facts, Seen, Tls, Trial
from bot.homeserver.outside import ADMIN_PATHS
from bot.homeserver.plan import Deployment, Engine
from bot.homeserver.rule import Level, Need
from tests.homeserver.plans import DOMAIN, plan, written

GONE = object()  # the key is left out: Synapse's default counts
_LISTENER = {
    "port": 8008,
    "type": "http",
    "x_forwarded": True,
    "bind_addresses": ["127.0.0.1"],
    "resources": [{"names": ["client"]}],
}
_TALKATIVE = {"version": 1, "formatters": {"f": {"format": "%(message)s"}}, "root": {"level": "WARNING"}}
_CHATTY = {"version": 1, "formatters": {"f": {"format": "%(msg)s"}}, "root": {"level": "INFO"}}

# rule: what must be called bad, as changes of the configuration that init writes
BAD_CONFIG: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("federation", {"federation_domain_whitelist": GONE}),
    ("federation", {"federation_domain_whitelist": ["matrix.org"]}),
    ("listeners", {"listeners": [{**_LISTENER, "resources": [{"names": ["client", "federation"]}]}]}),
    ("listeners", {"listeners": [_LISTENER, {"port": 9000, "type": "manhole"}]}),
    ("listeners", {"listeners": GONE}),
    ("listener-address", {"listeners": [{**_LISTENER, "bind_addresses": ["0.0.0.0"]}]}),  # noqa: S104 - judged, not bound
    ("listener-address", {"listeners": [{**_LISTENER, "bind_addresses": ["::"]}]}),
    ("listener-address", {"listeners": [{k: v for k, v in _LISTENER.items() if k != "bind_addresses"}]}),
    ("listener-address", {"listeners": [{**_LISTENER, "bind_addresses": ["127.0.0.1", "8.8.8.8"]}]}),
    ("forwarded", {"listeners": [{**_LISTENER, "x_forwarded": False}]}),
    ("key-servers", {"trusted_key_servers": GONE}),
    ("key-servers", {"trusted_key_servers": [{"server_name": "matrix.org"}]}),
    ("registration", {"registration_requires_token": False}),
    ("registration", {"registration_requires_token": GONE}),
    ("taken-names", {"inhibit_user_in_use_error": GONE}),
    ("guests", {"allow_guest_access": True}),
    ("encryption", {"encryption_enabled_by_default_for_room_type": GONE}),
    ("encryption", {"encryption_enabled_by_default_for_room_type": "invite"}),
    ("directory", {"user_directory": {"enabled": True}}),
    ("directory", {"user_directory": GONE}),
    ("profiles", {"require_auth_for_profile_requests": GONE}),
    ("profiles-shared", {"limit_profile_requests_to_users_who_share_rooms": False}),
    ("display-names", {"enable_set_displayname": GONE}),
    ("contacts", {"enable_3pid_changes": GONE}),
    ("room-list", {"enable_room_list_search": GONE}),
    ("room-list-open", {"allow_public_rooms_without_auth": True}),
    ("room-publication", {"room_list_publication_rules": [{"user_id": "@a:b", "action": "deny"}]}),
    ("room-publication", {"room_list_publication_rules": GONE}),
    ("presence", {"presence": GONE}),
    ("push-content", {"push": {"enabled": True}}),
    ("push-content", {"push": {"include_content": True}}),
    ("previews", {"url_preview_enabled": True}),
    ("search", {"enable_search": GONE}),
    ("statistics", {"report_stats": True}),
    ("redaction", {"redaction_retention_period": GONE}),
    ("redaction", {"redaction_retention_period": "7d"}),
    ("redaction", {"redaction_retention_period": None}),
    ("retention", {"retention": GONE}),
    ("retention", {"retention": {"enabled": True, "default_policy": {"max_lifetime": "1y"}}}),
    ("retention", {"retention": {"enabled": True, "default_policy": {"max_lifetime": "1d"}}}),
    ("retention", {"retention": {"enabled": False, "default_policy": {"max_lifetime": "30d"}}}),
    ("addresses", {"user_ips_max_age": GONE}),
    ("left-rooms", {"forget_rooms_on_leave": GONE}),
    ("token-lifetime", {"session_lifetime": "90d"}),
    ("token-lifetime", {"nonrefreshable_access_token_lifetime": "24h"}),
    ("stale-devices", {"delete_stale_devices_after": "1y"}),
    ("stale-devices", {"delete_stale_devices_after": 1000}),
    ("login-limits", {"rc_login": {"failed_attempts": {"per_second": 1000, "burst_count": 1000}}}),
    ("login-limits", {"rc_login": {"account": {"per_second": 50}}}),
    ("passwords", {"password_config": GONE}),
    ("passwords", {"password_config": {"policy": {"enabled": True, "minimum_length": 6}}}),
    ("public-url", {"public_baseurl": "http://accueil.example/"}),
    ("public-url", {"public_baseurl": GONE}),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Configured:
    return written(plan(tmp_path_factory.mktemp("good")))


def _judged(facts: Facts) -> dict[str, Level | None]:
    return {finding.rule.id: finding.level for finding in check(facts)}


def _level(rule: str) -> Level:
    return next(each.level for each in RULES if each.id == rule)


@pytest.mark.parametrize("deployment", list(Deployment))
@pytest.mark.parametrize("engine", list(Engine))
def test_what_init_writes_is_good_to_every_rule(
    tmp_path: Path, deployment: Deployment, engine: Engine
) -> None:
    config = written(plan(tmp_path, deployment, engine))
    judged = _judged(Facts(config=config, names=(DOMAIN,)))
    assert {rule: level for rule, level in judged.items() if level} == {}
    assert set(judged) == {each.id for each in RULES if each.need is not Need.OUTSIDE}


@pytest.mark.parametrize(
    ("rule", "change"), BAD_CONFIG, ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_rule_sees_its_fault_and_no_other_rule_does(
    good: Configured, rule: str, change: Mapping[str, object]
) -> None:
    keys = {key: value for key, value in {**good.keys, **change}.items() if value is not GONE}
    judged = _judged(Facts(config=dataclasses.replace(good, keys=keys)))
    near = {"listeners", "forwarded", "listener-address"} if "listeners" in change else {rule}
    assert judged[rule] is _level(rule)
    assert {name for name, level in judged.items() if level} <= near | {"names"}


@pytest.mark.parametrize("log", [_TALKATIVE, _CHATTY, {"version": 1}])
def test_a_log_that_fills_in_or_talks_is_a_fault(good: Configured, log: Mapping[str, object]) -> None:
    assert _judged(Facts(config=dataclasses.replace(good, log=log)))["log"] is Level.FAULT


def test_a_log_that_cannot_be_read_is_not_called_well(good: Configured) -> None:
    assert _judged(Facts(config=dataclasses.replace(good, log=None)))["log"] is Level.WARNING


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_with_secrets_that_others_may_read_is_a_fault(good: Configured, mode: int) -> None:
    for name in good.modes:
        open_ = dataclasses.replace(good, modes={**good.modes, name: mode})
        assert _judged(Facts(config=open_))["file-modes"] is Level.FAULT
    assert set(good.modes) == {"homeserver.yaml", "signing.key"}


# -- from outside ----------------------------------------------------------------------------------------------------

_CLOSED = Answer(status=404)
_TOKEN = Answer(
    status=401, body={"flows": [{"stages": ["m.login.registration_token", "m.login.dummy"]}], "session": "s"}
)
GOOD = Seen(
    url="https://accueil.example",
    answers={
        "versions": Answer(
            status=200, body={"versions": ["v1.1"]}, headers={"strict-transport-security": "max-age=1"}
        ),
        "federation": _CLOSED,
        "keys": _CLOSED,
        "server well-known": _CLOSED,
        "client well-known": Answer(
            status=200,
            body={"m.homeserver": {"base_url": "https://accueil.example"}},
            headers={"access-control-allow-origin": "*"},
        ),
        "rooms": Answer(status=401, body={"errcode": "M_MISSING_TOKEN"}),
        "register": _TOKEN,
        "guest": Answer(status=403, body={"errcode": "M_FORBIDDEN"}),
        "taken name": Answer(status=200, body={"available": True}),
        "profile": Answer(status=401, body={"errcode": "M_MISSING_TOKEN"}),
    },
    admin=dict.fromkeys(ADMIN_PATHS, _CLOSED),
    tls=Tls(error="", version="TLSv1.3", life_left=0.5),
    plain=Answer(status=308),
    federation_port=False,
    trial=Trial(pushed=True, encrypted=True, token_expires=False, limits_lifted=True),
)


def _answer(name: str, answer: Answer) -> dict[str, Any]:
    return {"answers": {**GOOD.answers, name: answer}}


def _trial(**changed: bool | None) -> dict[str, Any]:
    return {"trial": dataclasses.replace(GOOD.trial, **changed)}


def _admin(path: str, answer: Answer) -> dict[str, Any]:
    return {"admin": {**GOOD.admin, path: answer}}


BAD_SEEN: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("out-tls", {"tls": None}),
    ("out-tls", {"tls": Tls(error="certificate has expired")}),
    ("out-tls", {"tls": dataclasses.replace(GOOD.tls or Tls(error=""), old=("TLSv1.1",))}),
    ("out-renewal", {"tls": Tls(error="", version="TLSv1.3", life_left=0.1)}),
    ("out-plain", {"plain": Answer(status=200)}),
    ("out-strict", _answer("versions", Answer(status=200))),
    ("out-admin", _admin(ADMIN_PATHS[0], Answer(status=200, body={"nonce": "n"}))),
    ("out-admin", _admin(ADMIN_PATHS[-1], Answer(status=401, body={"errcode": "M_MISSING_TOKEN"}))),
    (
        "out-admin",
        _admin(ADMIN_PATHS[3], Answer(status=200, headers={"content-type": "text/plain; version=1"})),
    ),
    ("out-federation", _answer("federation", Answer(status=200, body={"server": {"name": "Synapse"}}))),
    ("out-federation", _answer("keys", Answer(status=200))),
    ("out-federation", _answer("server well-known", Answer(status=200))),
    ("out-federation", {"federation_port": True}),
    ("out-registration", _answer("register", Answer(status=200, body={"user_id": "@a:b"}))),
    (
        "out-registration",
        _answer("register", Answer(status=401, body={"flows": [{"stages": ["m.login.dummy"]}]})),
    ),
    (
        "out-registration",
        _answer(
            "register",
            Answer(
                status=401,
                body={
                    "flows": [
                        {"stages": ["m.login.registration_token"]},
                        {"stages": ["m.login.email.identity"]},
                    ]
                },
            ),
        ),
    ),
    ("out-guests", _answer("guest", Answer(status=200, body={"user_id": "@1:b"}))),
    ("out-rooms", _answer("rooms", Answer(status=200, body={"chunk": []}))),
    ("out-profiles", _answer("profile", Answer(status=200, body={"displayname": "x"}))),
    ("out-profiles", _answer("profile", Answer(status=404, body={"errcode": "M_NOT_FOUND"}))),
    ("out-profiles", _answer("profile", Answer(status=404, body={"errcode": "M_UNKNOWN"}))),
    ("out-taken-names", _answer("taken name", Answer(status=400, body={"errcode": "M_USER_IN_USE"}))),
    ("out-well-known", _answer("client well-known", _CLOSED)),
    (
        "out-well-known",
        _answer(
            "client well-known",
            Answer(
                status=200,
                body={"m.homeserver": {"base_url": "http://accueil.example"}},
                headers={"access-control-allow-origin": "*"},
            ),
        ),
    ),
    (
        "out-well-known",
        _answer("client well-known", dataclasses.replace(GOOD.answers["client well-known"], headers={})),
    ),
    ("out-encryption", _trial(encrypted=False)),
    ("out-token", _trial(token_expires=True)),
    ("out-push", _trial(pushed=False)),
    ("out-limits", _trial(limits_lifted=False)),
)


def test_a_good_server_is_good_to_every_rule() -> None:
    judged = _judged(Facts(seen=GOOD, names=(DOMAIN, "messages")))
    assert {rule: level for rule, level in judged.items() if level} == {}
    assert set(judged) == {each.id for each in RULES if each.need is not Need.CONFIG}


@pytest.mark.parametrize(("rule", "change"), BAD_SEEN, ids=lambda part: part if isinstance(part, str) else "")
def test_a_rule_sees_its_fault_from_outside(rule: str, change: Mapping[str, Any]) -> None:
    judged = _judged(Facts(seen=dataclasses.replace(GOOD, **change), names=(DOMAIN,)))
    assert judged[rule] is _level(rule)
    near = {"out-renewal"} if "tls" in change else set()
    assert {name for name, level in judged.items() if level} <= {rule} | near


def test_closed_registration_is_as_good_as_a_token() -> None:
    closed = dataclasses.replace(
        GOOD, **_answer("register", Answer(status=403, body={"errcode": "M_FORBIDDEN"}))
    )
    assert _judged(Facts(seen=closed))["out-registration"] is None


def test_what_was_not_tried_is_a_warning_and_never_well() -> None:
    judged = _judged(Facts(seen=dataclasses.replace(GOOD, trial=Trial()), names=(DOMAIN,)))
    tried = {"out-encryption", "out-token", "out-push", "out-limits"}
    assert {name for name, level in judged.items() if level} == tried
    assert {judged[name] for name in tried} == {Level.WARNING}


@pytest.mark.parametrize("name", ["cabinet-dupont.fr", "rdv", "mondocteur.example", "dental.example"])
def test_a_telling_name_is_a_fault(name: str) -> None:
    assert _judged(Facts(seen=GOOD, names=(DOMAIN, name)))["names"] is Level.FAULT


def test_every_rule_has_an_input_that_it_calls_bad() -> None:
    elsewhere = {"log", "file-modes", "names"}
    assert {each.id for each in RULES} == {rule for rule, _ in (*BAD_CONFIG, *BAD_SEEN)} | elsewhere
    assert len({each.id for each in RULES}) == len(RULES)
    assert all(each.what and each.why and each.mend for each in RULES)


def test_the_worst_decides() -> None:
    def of(**changed: Any) -> Level | None:
        return worst(check(Facts(seen=dataclasses.replace(GOOD, **changed), names=(DOMAIN,))))

    assert of() is None
    assert of(**_answer("versions", Answer(status=200))) is Level.WARNING
    assert of(**_answer("versions", Answer(status=200)), plain=Answer(status=200)) is Level.FAULT
