"""Composition root: opens what a practice has on its disk and puts the services together.

The bot's process opens an :class:`Installation` alone; the import side's keys are read by
:meth:`Installation.import_side` only, which commands of the practice call and ``pli run`` never does.

What talks to the homeserver or to patients, and what knows old schemas, is loaded where it is put together: most
commands do without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from bot.channels.matrix.session import Session, load_session
from bot.channels.telegram.secret_file import read_token, read_webhook_secret
from bot.clock import SystemClock, boot_id, since_boot
from bot.domain.messages import OpenSentence
from bot.domain.slots import parse_hour
from bot.domain.staff import StaffSentence
from bot.domain.templates import Words
from bot.domain.values import Language, Secret
from bot.errors import Refused
from bot.ports import Clock
from bot.ports_staff import Desk
from bot.ports_storage import UnitOfWork
from config.settings import FILE_NAME, Settings, load
from storage.audit_chain import AuditChain
from storage.columns import Columns
from storage.data_key import Epoch, settle
from storage.engine import connect
from storage.import_keys import settle_bot_side, settle_import_side
from storage.keyring import BotKeyRing
from storage.keys import BotKeys, ImportKeys
from storage.sealing import ImportSealer, Registrar
from storage.unit_of_work import SqlUnitOfWork, Watch, noted_in
from storage.vault import Vault
from storage.vault_port import AnyVault
from storage.vault_remote import RemoteVault
from storage.wrap import RFC_9106_SECOND, Profile

if TYPE_CHECKING:
    from bot.channels.matrix.channel import MatrixChannel
    from bot.homeserver.admin import HomeserverAdmin
    from bot.services.choose_nudges import Delivery
    from bot.services.converse import Rules
    from bot.services.staff_duty import StaffDuty
    from bot.services.watch_clock import Steady, TrustClock, WatchClock
    from bot.staff.client import DeskClient

CRYPTO_STORE = "crypto"
_ALIVE = "alive"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportSide:
    """What seals, signs and reads answers."""

    sealer: ImportSealer
    registrar: Registrar


class Installation:
    """One practice's folder, opened. Raises :class:`bot.errors.PliError` naming file and mend."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, profile: Profile = RFC_9106_SECOND
    ) -> None:
        """``profile`` of Argon2id is weaker in tests alone."""
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._profile = profile
        self._epoch = Epoch()

    @classmethod
    def at(cls, file: Path) -> Installation:
        return cls(load(file))

    @cached_property
    def keys(self) -> BotKeys:
        settle(self.bot_dir, self.engine)  # a change of keys that was broken off
        keys = BotKeys.load(self.bot_dir)
        if settle_bot_side(self.bot_dir, self.engine, Columns(keys.data)):
            keys = BotKeys.load(self.bot_dir)
        return keys

    @property
    def bot_dir(self) -> Path:
        return self.settings.path(self.settings.storage.bot_keys)

    @property
    def import_dir(self) -> Path:
        return self.settings.path(self.settings.storage.import_keys)

    @property
    def vault_path(self) -> Path:
        return self.settings.path(self.settings.storage.vault)

    @property
    def vault_socket(self) -> Path | None:
        """Where the vault is asked, if it is a process of its own; its file is not here then."""
        chosen = self.settings.storage.vault_socket
        return self.settings.path(chosen) if chosen else None

    @cached_property
    def engine(self) -> Engine:
        return connect(self.settings.database_url())

    @cached_property
    def vault(self) -> AnyVault:
        if self.vault_socket is not None:
            return RemoteVault(self.vault_socket, noted_in(self.uow))
        return Vault(self.vault_path, self.clock, noted_in(self.uow))

    @cached_property
    def keyring(self) -> BotKeyRing:
        return BotKeyRing(self.keys, self.vault, profile=self._profile)

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.keys.data)

    @cached_property
    def audit_chain(self) -> AuditChain:
        return AuditChain(self.keys.audit(), self.keys.audit_older)

    @cached_property
    def watch(self) -> Watch:
        """Whether the database answers this process."""
        return Watch()

    def prove_storage(self) -> None:
        """Write something: only that shows that the database can be written. Raises :class:`StorageError`."""
        with self.uow() as uow:
            uow.meta.set(_ALIVE, self.clock.now().isoformat(timespec="minutes"))
            uow.commit()
        self.watch.wrote()

    def uow(self) -> UnitOfWork:
        return SqlUnitOfWork(
            self.engine,
            self._columns,
            chain=self.audit_chain,
            anchor=self.vault.set_anchor,
            anchored=self.vault.anchor,
            watch=self.watch,
            epoch=self._epoch,
        )

    def schema_is_current(self) -> bool:
        from storage.schema import is_current  # noqa: PLC0415 - see above

        return is_current(self.engine)

    def import_side(self) -> ImportSide:
        """The import side's keys, read from their own folder."""
        settle_import_side(self.import_dir, self.engine, self._columns)
        with self.uow():
            pass  # from here on a change of keys is seen, so what is loaded now is what stays
        keys = ImportKeys.load(self.import_dir)
        return ImportSide(
            sealer=ImportSealer(keys), registrar=Registrar(keys, self.vault, profile=self._profile)
        )

    @cached_property
    def words(self) -> Mapping[Language, Words]:
        from config.wording import PracticeFacts, Wording  # noqa: PLC0415 - see above

        practice = self.settings.practice
        facts = PracticeFacts(
            name=practice.name,
            phone=practice.phone,
            zone=practice.zone,
            min_digits=self.settings.pin.min_digits,
        )
        return {language: Wording(language, facts) for language in Language}

    @property
    def rules(self) -> Rules:
        from bot.services.converse import Rules  # noqa: PLC0415 - see above

        release = self.settings.release
        return Rules(
            unlock=self.settings.unlock_window,
            redact_after=release.redact_after_minutes,
            delay=self.settings.answer_delay,
            min_digits=self.settings.pin.min_digits,
        )

    def session(self) -> Session:
        return load_session(self.bot_dir, ca_file=self.ca_file)

    @property
    def ca_file(self) -> Path | None:
        """The only authority whose certificates are believed, where one is set."""
        chosen = self.settings.homeserver.ca_file
        return self.settings.path(chosen) if chosen else None

    def homeserver_admin(self) -> HomeserverAdmin:
        """The homeserver's admin API, at its own address where the proxy closes it; the caller closes it."""
        from bot.homeserver.admin import HomeserverAdmin  # noqa: PLC0415 - see above

        url = self.settings.homeserver.admin_url or self.settings.matrix.homeserver
        return HomeserverAdmin(url, self.admin_token(), ca_file=self.ca_file)

    def admin_token(self) -> Secret:
        """An administrator's token of the homeserver: named in the settings, or the embedded one's."""
        settings = self.settings
        chosen = settings.homeserver.admin_token_file or f"{settings.homeserver.folder}/admin.token"
        try:
            return Secret(settings.path(chosen).read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            raise Refused(
                "there is no administrator's token for this homeserver",
                mend="put one into a file and name it: [homeserver] admin_token_file",
            ) from None

    def uses_telegram(self) -> bool:
        return bool(self.settings.telegram.token_file)

    def telegram_token(self) -> Secret:
        """Raises :class:`bot.errors.WrongUse`."""
        return read_token(self.settings.path(self.settings.telegram.token_file))

    def telegram_webhook_secret(self) -> Secret:
        """Raises :class:`bot.errors.WrongUse`."""
        return read_webhook_secret(self.settings.path(self.settings.telegram.webhook_secret_file))

    def desk(self) -> DeskClient:
        """The import side as the staff room sees it: behind its socket, or a child of this process; to be closed."""
        from bot.staff.client import DeskClient, to_child, to_socket  # noqa: PLC0415 - see above

        chosen = self.settings.staff.desk_socket
        connect = (
            to_socket(self.settings.path(chosen)) if chosen else to_child(self.settings.folder / FILE_NAME)
        )
        return DeskClient(connect, max_file=self.settings.agenda.max_bytes)

    def staff_duty(self, channel: MatrixChannel, desk: Desk) -> StaffDuty:
        """The staff room, in the language of the practice."""
        from bot.services.staff_duty import StaffDuty, StaffRules  # noqa: PLC0415 - see above
        from bot.services.tell_staff import StaffHours  # noqa: PLC0415 - see above

        settings, words = self.settings, self.words[self.settings.practice.language]
        return StaffDuty(
            self.uow,
            channel.staff,
            desk=desk,
            sentences={sentence: words.staff_text(sentence) for sentence in StaffSentence},
            clock=self.clock,
            rules=StaffRules(
                room_name=settings.staff.room_name,
                redact_after=timedelta(minutes=settings.staff.redact_after_minutes),
                max_file_bytes=settings.staff.max_file_bytes,
                hours=StaffHours(
                    slots=settings.staff_slots,
                    morning=parse_hour(settings.staff.morning),
                    quiet=settings.nudge_rules(),
                ),
            ),
        )

    @cached_property
    def steady(self) -> Steady:
        """This machine's clock that is never set."""
        from bot.services.watch_clock import Steady  # noqa: PLC0415 - see above

        return Steady(seconds=since_boot, boot=boot_id())

    def watch_clock(self) -> WatchClock:
        from bot.services.watch_clock import WatchClock  # noqa: PLC0415 - see above

        return WatchClock(
            self.uow, now=self.clock.now, steady=self.steady, tolerance=self.settings.clock_tolerance
        )

    def trust_clock(self) -> TrustClock:
        from bot.services.watch_clock import TrustClock  # noqa: PLC0415 - see above

        return TrustClock(self.uow, steady=self.steady)

    def delivery(
        self,
        trusted: Callable[[datetime], bool],
        show: Callable[[Mapping[datetime, int]], None] | None = None,
    ) -> Delivery:
        """See :class:`bot.services.choose_nudges.Delivery`."""
        from bot.services.choose_nudges import Delivery  # noqa: PLC0415 - see above

        return Delivery(
            pace=self.settings.pace(),
            apart=self.settings.nudges_apart,
            trusted=trusted,
            show=show,
            telegram=self.uses_telegram(),
        )

    def channel(self) -> MatrixChannel:
        from bot.channels.matrix.channel import MatrixChannel, Texts  # noqa: PLC0415 - see above

        words = self.words
        return MatrixChannel(
            session=self.session(),
            key_dir=self.bot_dir,
            store_dir=self.bot_dir / CRYPTO_STORE,
            pickle_key=self.keys.pickle,
            texts=Texts(
                nudges={language: words[language].nudge() for language in Language},
                open={(s, lang): words[lang].open_text(s) for s in OpenSentence for lang in Language},
                room_name=self.settings.matrix.room_name,
            ),
        )
