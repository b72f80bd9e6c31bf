"""Rules over Synapse's configuration: the part of the table that needs no running server. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bot.homeserver.facts import Configured
from bot.homeserver.judges_config import (
    DAY,
    HOUR,
    at_most,
    denied,
    empty_list,
    encrypted,
    flag,
    logins_limited,
    long_passwords,
    names_kept,
    near,
    only_clients,
    private_files,
    proxied,
    public_https,
    quiet_log,
    retained,
    stale_devices,
    token_life,
    tokens,
)
from bot.homeserver.rule import Level, Need, Rule, Verdict, judged_config


def _rule(
    id: str,  # noqa: A002 - the table's own word
    what: str,
    why: str,
    judge: Callable[[Configured], Verdict],
    mend: str,
    level: Level = Level.FAULT,
) -> Rule:
    return Rule(
        id=id, what=what, why=why, level=level, need=Need.CONFIG, judge=judged_config(judge), mend=mend
    )


CONFIG_RULES: tuple[Rule, ...] = (
    _rule(
        "federation",
        "no other homeservers",
        "others learn who is here",
        empty_list("federation_domain_whitelist"),
        "federation_domain_whitelist: []",
    ),
    _rule(
        "listeners",
        "listeners for apps alone",
        "each further one is another way in",
        only_clients,
        "listeners: resources: names: [client]",
    ),
    _rule(
        "listener-address",
        "listeners reached through the proxy alone",
        "the admin API answers there, without TLS",
        near,
        'listeners: bind_addresses: ["127.0.0.1"]',
    ),
    _rule(
        "forwarded",
        "address of a request",
        "else all share one limit of log-ins",
        proxied,
        "listeners: x_forwarded: true",
        Level.WARNING,
    ),
    _rule(
        "key-servers",
        "nobody asked for keys",
        "the default asks matrix.org",
        empty_list("trusted_key_servers"),
        "trusted_key_servers: []",
    ),
    _rule(
        "registration",
        "registration",
        "strangers could write to patients",
        tokens,
        "registration_requires_token: true",
    ),
    _rule(
        "taken-names",
        "names of accounts",
        "with registration on, names can be tried out",
        names_kept,
        "inhibit_user_in_use_error: true",
    ),
    _rule(
        "guests",
        "guests",
        "nobody knows who they are",
        flag("allow_guest_access", wanted=False, default=False),
        "allow_guest_access: false",
    ),
    _rule(
        "encryption",
        "rooms encrypted by default",
        "a room opened by mistake would be in clear",
        encrypted,
        "encryption_enabled_by_default_for_room_type: all",
    ),
    _rule(
        "directory",
        "directory of people",
        "patients would find each other",
        flag("user_directory.enabled", wanted=False, default=True),
        "user_directory: {enabled: false}",
    ),
    _rule(
        "profiles",
        "profiles for strangers",
        "whether an account exists is nobody's business",
        flag("require_auth_for_profile_requests", wanted=True, default=False),
        "require_auth_for_profile_requests: true",
    ),
    _rule(
        "profiles-shared",
        "profiles for those who share a room",
        "one patient could try out others",
        flag("limit_profile_requests_to_users_who_share_rooms", wanted=True, default=False),
        "limit_profile_requests_to_users_who_share_rooms: true",
    ),
    _rule(
        "display-names",
        "names set by apps",
        "a patient's name in clear, in every push",
        flag("enable_set_displayname", wanted=False, default=True),
        "enable_set_displayname: false",
    ),
    _rule(
        "contacts",
        "telephone or e-mail beside an account",
        "it says who the pseudonym is",
        flag("enable_3pid_changes", wanted=False, default=True),
        "enable_3pid_changes: false",
    ),
    _rule(
        "room-list",
        "list of rooms",
        "there is nothing to find here",
        flag("enable_room_list_search", wanted=False, default=True),
        "enable_room_list_search: false",
    ),
    _rule(
        "room-list-open",
        "list of rooms for strangers",
        "as above",
        flag("allow_public_rooms_without_auth", wanted=False, default=False),
        "allow_public_rooms_without_auth: false",
    ),
    _rule(
        "room-publication",
        "rooms put on the list",
        "as above",
        denied("room_list_publication_rules"),
        "room_list_publication_rules: [{action: deny}]",
        Level.WARNING,
    ),
    _rule(
        "presence",
        "presence",
        "who is awake, and when",
        flag("presence.enabled", wanted=False, default=True),
        "presence: {enabled: false}",
    ),
    _rule(
        "push-content",
        "pushes without content",
        "Apple and Google read them",
        flag("push.include_content", wanted=False, default=True),
        "push: {include_content: false}",
    ),
    _rule(
        "previews",
        "previews of addresses",
        "the homeserver would fetch what was encrypted",
        flag("url_preview_enabled", wanted=False, default=False),
        "url_preview_enabled: false",
    ),
    _rule(
        "search",
        "index for searching",
        "texts in clear would be kept twice",
        flag("enable_search", wanted=False, default=True),
        "enable_search: false",
        Level.WARNING,
    ),
    _rule(
        "statistics",
        "figures to the makers",
        "nobody outside",
        flag("report_stats", wanted=False, default=False),
        "report_stats: false",
    ),
    _rule(
        "redaction",
        "what was taken back is deleted",
        "typed PINs, lists of appointments; default: a week",
        at_most("redaction_retention_period", HOUR),
        "redaction_retention_period: 5m",
    ),
    _rule(
        "retention",
        "messages are deleted",
        "as Pli itself forgets",
        retained,
        "retention: {enabled: true, default_policy: {max_lifetime: 67d}}",
    ),
    _rule(
        "addresses",
        "addresses of telephones",
        "where somebody lives; default: 4 weeks",
        at_most("user_ips_max_age", 7 * DAY),
        "user_ips_max_age: 1d",
        Level.WARNING,
    ),
    _rule(
        "left-rooms",
        "rooms that were left",
        "who leaves is forgotten",
        flag("forget_rooms_on_leave", wanted=True, default=False),
        "forget_rooms_on_leave: true",
        Level.WARNING,
    ),
    _rule(
        "token-lifetime",
        "how long a log-in holds",
        "it does not roll: patients would be logged out",
        token_life,
        "take session_lifetime and nonrefreshable_access_token_lifetime out",
    ),
    _rule(
        "stale-devices",
        "telephones long unseen",
        "under two years, yearly patients are logged out",
        stale_devices,
        "delete_stale_devices_after: 3y",
    ),
    _rule(
        "login-limits",
        "attempts to log in",
        "passwords could be tried out",
        logins_limited,
        "rc_login: see pli homeserver init --print",
    ),
    _rule(
        "passwords",
        "length of a password",
        "the account's only lock",
        long_passwords,
        "password_config: {policy: {enabled: true, minimum_length: 10}}",
        Level.WARNING,
    ),
    _rule(
        "public-url", "public address", "apps go where it says", public_https, "public_baseurl: https://…/"
    ),
    _rule(
        "log",
        "log without bodies and addresses",
        "it lies in clear, and in backups",
        quiet_log,
        "log_config: see log.yaml in pli homeserver init --print",
    ),
    _rule(
        "file-modes",
        "files with secrets",
        "the shared secret makes administrators",
        private_files,
        "chmod 600 homeserver.yaml signing.key",
    ),
)
