"""What every homeserver of Pli's is told, as one table: key, value, and why. Pure.

The embedded homeserver and the files of ``pli homeserver init`` come from this table.

Sources: Synapse's configuration manual and ``synapse/config/*.py`` of 1.163.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Json = dict[str, object]

EMBEDDED_RETENTION_DAYS = 180
STALE_DEVICES = "3y"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One key of ``homeserver.yaml``. ``value`` None: left out on purpose, for the reason that ``why`` gives."""

    key: str
    value: object
    why: str


def values(settings: Iterable[Setting]) -> Json:
    """The keys that are set."""
    return {each.key: each.value for each in settings if each.value is not None}


CLOSED_TO_THE_WORLD = (
    Setting(
        key="federation_domain_whitelist",
        value=[],
        why="No other homeserver. A closed one tells nobody who is where; patients have accounts here.",
    ),
    Setting(
        key="trusted_key_servers",
        value=[],
        why="Without federation nobody has to be asked for keys. The default asks matrix.org.",
    ),
    Setting(
        key="allow_public_rooms_over_federation", value=False, why="No list of rooms for other homeservers."
    ),
    Setting(
        key="allow_public_rooms_without_auth", value=False, why="No list of rooms for whoever passes by."
    ),
    Setting(
        key="allow_device_name_lookup_over_federation",
        value=False,
        why="Names of telephones are nobody's business.",
    ),
    Setting(key="allow_profile_lookup_over_federation", value=False, why="Nor are names of people."),
    Setting(
        key="url_preview_enabled",
        value=False,
        why="A preview is fetched by the homeserver: it would see addresses out of encrypted messages.",
    ),
    Setting(
        key="push",
        value={"enabled": True, "include_content": False},
        why="Telephones ring through Apple and Google. They learn that something came, not what. The names of"
        " sender and room go along unless the app asks for ids only: hence neutral names.",
    ),
    Setting(key="report_stats", value=False, why="No figures to the makers of Synapse."),
)

CLOSED_TO_ITS_USERS = (
    Setting(
        key="allow_guest_access", value=False, why="Nobody is here without an account that the practice gave."
    ),
    Setting(key="enable_3pid_lookup", value=False, why="No searching for people by telephone or e-mail."),
    Setting(
        key="enable_3pid_changes",
        value=False,
        why="No telephone number or e-mail beside an account: it would say who the pseudonym is.",
    ),
    Setting(
        key="enable_set_displayname",
        value=False,
        why="A patient's own name, set by a helpful app, would stand in clear in the database and in pushes.",
    ),
    Setting(key="enable_set_avatar_url", value=False, why="The same goes for a face."),
    Setting(key="allow_per_room_profiles", value=False, why="And for a name in one room."),
    Setting(
        key="limit_profile_requests_to_users_who_share_rooms",
        value=True,
        why="Who exists here is known to those alone who share a room.",
    ),
    Setting(
        key="require_auth_for_profile_requests",
        value=True,
        why="Nor may a stranger ask whether a name exists.",
    ),
    Setting(key="include_profile_data_on_invite", value=False, why="An invitation carries no name."),
    Setting(
        key="user_directory",
        value={"enabled": False, "search_all_users": False},
        why="No patient finds another.",
    ),
    Setting(
        key="presence", value={"enabled": False}, why="Nobody sees who is awake. It also costs the most load."
    ),
    Setting(
        key="enable_search", value=False, why="What is encrypted cannot be searched; the index is not needed."
    ),
    Setting(key="enable_room_list_search", value=False, why="There is no list of rooms."),
    Setting(
        key="room_list_publication_rules", value=[{"action": "deny"}], why="And no room may be put on one."
    ),
    Setting(
        key="alias_creation_rules", value=[{"action": "deny"}], why="No room gets a name that can be guessed."
    ),
    Setting(
        key="encryption_enabled_by_default_for_room_type",
        value="all",
        why="Also a room that somebody opens by mistake is encrypted. The bot encrypts its own rooms from the"
        " first event whatever stands here.",
    ),
    Setting(
        key="max_upload_size",
        value="5M",
        why="Pli sends no files. The proxy's limit on a request is a little above.",
    ),
    Setting(
        key="password_config",
        value={"enabled": True, "policy": {"enabled": True, "minimum_length": 10}},
        why="Passwords that patients choose themselves. The bot's is 32 random bytes and kept nowhere.",
    ),
)

LEFT_OUT = (
    Setting(
        key="session_lifetime",
        value=None,
        why="It does not roll: a patient who looks twice a year would be logged out, and hear nothing any more.",
    ),
    Setting(
        key="refreshable_access_token_lifetime",
        value=None,
        why="The default (5 minutes, for apps that can renew it) is right; the bot's token does not run out.",
    ),
)


def forgetful(retention_days: int) -> tuple[Setting, ...]:
    """What is gone is gone soon; ``retention_days`` for everything else."""
    return (
        Setting(
            key="redaction_retention_period",
            value="5m",
            why="What the bot takes back (typed PINs, lists of appointments) is gone for good after minutes. The"
            " default keeps it for a week.",
        ),
        Setting(
            key="retention",
            value={
                "enabled": True,
                "default_policy": {"min_lifetime": "1d", "max_lifetime": f"{retention_days}d"},
                "purge_jobs": [{"interval": "12h"}],
            },
            why="Encrypted messages are deleted as well. Pli itself forgets an appointment a week after it is"
            " past: this is as long as the earliest notice of one may be useful, and that week.",
        ),
        Setting(
            key="forget_rooms_on_leave", value=True, why="A room that was left is forgotten by the account."
        ),
        Setting(
            key="forgotten_room_retention_period",
            value="1d",
            why="Nobody's room is deleted from the database a day later.",
        ),
        Setting(
            key="user_ips_max_age",
            value="1d",
            why="Addresses of telephones say where somebody lives and works. The default keeps them for a month.",
        ),
        Setting(
            key="delete_stale_devices_after",
            value=STALE_DEVICES,
            why="A telephone that did not come for so long is gone. Under two years, patients who come once a"
            " year would be logged out.",
        ),
        Setting(
            key="media_retention",
            value={"local_media_lifetime": "30d", "remote_media_lifetime": "1d"},
            why="Whatever somebody uploads is deleted.",
        ),
    )


TOKENS_ONLY = (
    Setting(
        key="enable_registration",
        value=True,
        why="Registration is closed but for tokens: this key and the next belong together.",
    ),
    Setting(
        key="registration_requires_token",
        value=True,
        why="A token comes from the practice (pli homeserver accounts token), for one account, for some days."
        " Element X on Android takes none: there the practice makes the account (pli invite --account).",
    ),
    Setting(
        key="inhibit_user_in_use_error",
        value=True,
        why="With registration on, anybody could ask whether an account's name is taken, and so try out names.",
    ),
)

NOBODY_REGISTERS = (
    Setting(key="enable_registration", value=False, why="The practice makes the accounts."),
    Setting(key="registration_requires_token", value=True, why="Should somebody switch it on."),
)

LOGINS = Setting(
    key="rc_login",
    value={
        "address": {"per_second": 0.1, "burst_count": 10},
        "account": {"per_second": 0.05, "burst_count": 5},
        "failed_attempts": {"per_second": 0.02, "burst_count": 5},
    },
    why="Passwords cannot be tried out. Addresses get more than the default: a mobile carrier puts many patients"
    " behind one. Other limits keep their defaults; the bot's alone are lifted, by account, through the admin API"
    " (pli homeserver accounts bot): with the defaults it could greet one patient a minute.",
)
