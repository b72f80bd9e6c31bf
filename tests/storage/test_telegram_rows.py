"""Links and chats at rest: sealed, one a recipient, gone with them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.telegram import ChatId, NudgeOn, TelegramChat, TelegramLink
from bot.domain.values import Language, RecipientId
from bot.errors import StorageError
from storage import tables as t
from tests.storage.store import NOW, OTHER, WHO, Store

NUMBER = ChatId(7340129911)


def _chat(recipient: RecipientId = WHO, chat: ChatId = NUMBER, row: str = "t-1") -> TelegramChat:
    return TelegramChat(
        id=row,
        recipient=recipient,
        chat=chat,
        language=Language.FR,
        linked_at=NOW,
        nudge_on=(("discreet", NudgeOn.TELEGRAM),),
    )


def test_a_chat_is_found_by_its_number_and_by_its_recipient(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.telegram.put_chat(_chat())
        uow.commit()
    with store.uow() as uow:
        assert uow.telegram.by_chat(NUMBER) == _chat()
        assert uow.telegram.by_recipient(WHO) == _chat()
        assert uow.telegram.by_recipients([WHO, OTHER]) == {WHO: _chat()}
        assert uow.telegram.by_chat(ChatId(1)) is None
        assert uow.telegram.count() == 1


def test_p1_the_number_of_a_chat_and_a_token_are_not_in_clear(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.telegram.put_chat(_chat())
        link = TelegramLink(id=uow.telegram.digest("canary-token"), recipient=WHO, expires=NOW)
        uow.telegram.add_link(link)
        uow.commit()
    found = "".join(repr(store.rows(f"SELECT * FROM {table.name}")) for table in t.metadata.sorted_tables)  # noqa: S608 - names of our own tables
    assert "t-1" in found, "the search finds what is there"
    assert str(NUMBER) not in found
    assert "canary" not in found


def test_a_second_chat_takes_the_place_of_the_first(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.telegram.put_chat(_chat())
        uow.telegram.put_chat(_chat(chat=ChatId(5), row="t-2"))
        uow.commit()
    with store.uow() as uow:
        assert uow.telegram.by_chat(NUMBER) is None
        assert uow.telegram.unbind(WHO)
        assert not uow.telegram.unbind(WHO)


def test_a_chat_is_one_recipients(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.telegram.put_chat(_chat())
        uow.commit()
    with pytest.raises(StorageError), store.uow() as uow:
        uow.telegram.put_chat(_chat(OTHER, row="t-2"))


def test_links_are_spent_and_purged(store: Store) -> None:
    store.people()
    link = TelegramLink(id="digest", recipient=WHO, expires=NOW)
    with store.uow() as uow:
        uow.telegram.add_link(link)
        assert uow.telegram.link("digest") == link
        uow.telegram.spend_links(WHO)
        found = uow.telegram.link("digest")
        assert found is not None
        assert found.spent
        assert uow.telegram.purge_links(NOW) == 0
        assert uow.telegram.purge_links(NOW + timedelta(seconds=1)) == 1
        assert uow.telegram.link("digest") is None


def test_both_go_with_their_recipient(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.telegram.put_chat(_chat())
        uow.telegram.add_link(TelegramLink(id="digest", recipient=WHO, expires=NOW))
        uow.recipients.remove(WHO)
        uow.commit()
    assert store.rows("SELECT id FROM telegram_chat UNION SELECT id FROM telegram_link") == []
