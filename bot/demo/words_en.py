"""The narrator's words, in English."""

from __future__ import annotations

from typing import Final

from bot.demo.stage import Headings
from bot.demo.words import Kind, Place, Typed, Words
from bot.domain.values import Language

ENGLISH: Final = Words(
    language=Language.EN,
    typed=Typed(
        yes="yes",
        show="show",
        confirm="confirm 1",
        wish="rather a Wednesday after school",
        move="move 2 rather a Wednesday after school",
        telegram="telegram",
        thanks="thank you",
        leave="leave",
        patients="patients",
        answers="answers",
    ),
    headings=Headings(
        patient="Odette’s phone",
        practice="The practice",
        outside="The server, and a thief",
        telegram="What Telegram saw",
    ),
    other_phone="The mother’s phone",
    title="Pli: appointment reminders in a sealed envelope",
    opening=(
        "A medical practice reminds its patients of their appointments, on their phones. Nobody else must "
        "learn who has an appointment, when, where, with whom or what for: not the messaging service that "
        "carries the messages, not someone who steals the database.",
        "The messaging service is Matrix: as with e-mail, anybody can run a server of their own and choose "
        "an app. Messages travel encrypted: the server carries them and cannot read them.",
        "Everything below really happens, now, on this machine: real programs, a real server and, in the "
        "patient’s hand, a client that is not ours. Shown side by side: the patient’s screen, the "
        "practice’s work, and the very bytes that the messaging server and a thief of the database hold. "
        "Only Telegram, where Odette is told of messages as well, is played: by a server on this machine "
        "that behaves like it and records what it is sent.",
    ),
    set_up=(
        "The practice sets up",
        "Three commands: a folder with its keys, a messaging server, and the bot “messages” that will talk "
        "to patients.",
    ),
    people=(
        "Three patients, two letters",
        "Odette, and two children, Zoé and Noé, whose mother answers for them. The practice gives each of "
        "the two women a letter: an account, a password, a sign-up code. A key is born for each at this "
        "moment.",
    ),
    agenda=(
        "The agenda goes in, and is sealed",
        "The practice’s software exports its agenda. Pli reads it, puts every appointment into an envelope, "
        "encrypted to the key of whoever is to read it, and forgets the rest. Not even the bot can open "
        "these envelopes now.",
    ),
    sign_up=(
        "Odette signs up",
        "She opens the app, finds one conversation waiting for her, types the code from her letter and "
        "chooses her PIN. Each line on the right is what the server kept of the same message.",
    ),
    telegram=(
        "Odette also uses Telegram",
        "Nothing is sealed there, so one thing alone goes there: the notice, the same words for everybody. "
        "Odette asks for a link in her conversation, behind her PIN, and opens it in Telegram. In the last "
        "column stands every request that Telegram received from Pli, whole; “…” is the bot’s own token.",
    ),
    booking=(
        "A blood test, tomorrow",
        "The front desk notes one more appointment and exports the agenda again. The notice will leave at "
        "the next sending time, which is the same for everybody.",
    ),
    meanwhile=(
        "Meanwhile, the mother of Zoé and Noé",
        "She signs up in the same way, then asks to see. As she answers for two children, each appointment "
        "carries a first name. She asks to move one, in words of her own.",
    ),
    staff=(
        "The secretary’s own phone",
        "Camille works at the front desk. She gets an account and is invited to a room of the staff, "
        "encrypted like the patients’. What she types there is carried out by the import side, a process of "
        "its own; the bot only carries it.",
    ),
    nudge=(
        "The notice",
        "It is time. Odette’s phone rings. The notice is the same for everybody, word for word: on a locked "
        "screen it says nothing.",
    ),
    wrong_place=(
        "The PIN in the wrong place",
        "Odette answers in Telegram, with her PIN. Telegram has read it, and nothing can undo that. Pli "
        "deletes the message, keeps nothing of it, does not try it, and says where to write. In Telegram "
        "the PIN opens nothing; the conversation advises her to change it. She puts that off.",
    ),
    wrong_pin=(
        "Two digits swapped",
        "Odette answers with her PIN straight away, and mistypes it. Ten mistakes would destroy her key.",
    ),
    right_pin=(
        "The right PIN",
        "Odette’s key opens, and so do her envelopes, for as long as it takes to answer her. The server "
        "sees no difference from the try before: same size, same delay.",
    ),
    confirm=("Odette confirms", "Her answer is sealed to the practice, which alone can read it."),
    cancel=(
        "The practice cancels",
        "Tomorrow’s blood test is cancelled in the agenda. It is less than two days away, so the notice "
        "leaves at once. It is the same notice as ever.",
    ),
    leave=(
        "Odette leaves",
        "Leaving means destroying the key. The day before, a thief had copied the database and the bot’s "
        "keys, and even knows Odette’s PIN.",
    ),
    search=(
        "The search",
        "The programs are stopped. Every byte that they wrote or sent to Telegram is searched now: for "
        "names, places, instructions, reasons, exact times, the agenda’s references, and for every code and "
        "every word that was typed.",
    ),
    made="folder ready: settings, keys, database, vault",
    homeserver_up="the messaging server answers",
    bot_up="the bot is online",
    in_telegram="(in Telegram)",
    button="[ {label} ]",
    she_typed="she herself writes:",
    repeated="(the rest as before)",
    gone_there="(the typed PIN has gone from Telegram)",
    chat_at_rest="thief: the number of her chat in Telegram, in the database",
    no_chat="thief: no chat in the database any more",
    staff_added="invited; her phone’s keys are remembered",
    staff_phone="Camille’s phone",
    accounts="server: the accounts that it knows",
    letter="letter handed over:\naccount {user}\npassword {password}\ncode {code}",
    reference_at_rest="thief: the first one’s reference, in the database",
    agenda_lines="in the exported file:",
    counts={
        "new": "new",
        "changed": "changed",
        "moved": "moved",
        "cancelled": "cancelled",
        "unchanged": "unchanged",
        "past": "past",
        "unmatched": "of other patients",
    },
    envelope_at_rest="thief: one of these appointments in the database ({size} bytes)",
    slot_at_rest="thief: in clear, only the half day up to which a notice helps",
    room_seen="and two conversations with a neutral name",
    sees_nothing="(the practice sees nothing of this conversation)",
    encrypted="server: {size} characters",
    gone="(the typed PIN has gone from the conversation)",
    all_gone="(the typed code and PINs have gone from the conversation)",
    key_at_rest="thief: Odette’s key, wrapped; without the vault, no PIN opens it",
    booked="new in the agenda:",
    slot_set="next sending time: {at}",
    waiting="Next sending time at {at}, in",
    rings="the phone rings",
    answer_at_rest="thief: the answer in the database",
    left_at_practice="the patient has left; her envelopes are erased",
    thief_before=(
        "thief, the day before: with the copy, the PIN and the vault still in service, the key opens"
    ),
    thief_after=(
        "thief, after she left, with the same copy and the same PIN: key destroyed, nothing opens any more"
    ),
    leaks_title="What leaked",
    place="place searched",
    places={
        Place.HOMESERVER: "server: database, media",
        Place.HOMESERVER_LOGS: "server: logs",
        Place.DATABASE: "Pli’s database",
        Place.VAULT: "vault",
        Place.BOT: "bot: keys, session",
        Place.BOT_LOG: "bot: log",
        Place.TELEGRAM: "Telegram: every request",
        Place.IMPORT: "import side’s keys",
        Place.REST: "rest of the folder",
    },
    files="files",
    searched_for=(
        "{texts} texts were looked for, in {needles} shapes of bytes, in {megabytes} MB, twice: while "
        "everything ran and after it stopped. Texts: {kinds}."
    ),
    planted="texts hidden on purpose",
    found="… and found",
    agenda_itself="the agenda itself, in clear",
    sizes_title="The size of the bot’s messages, as the server sees it",
    kind="message",
    kinds={
        Kind.HELLO: "hello",
        Kind.ENROLMENT: "sign-up",
        Kind.NUDGE: "notice",
        Kind.ASK_PIN: "asking for the PIN",
        Kind.WRONG_PIN: "answer to a wrong PIN",
        Kind.DETAILS: "answer to a right PIN: appointments",
        Kind.DETAILS_OF_TWO: "… of two children",
        Kind.NEWS: "… with a cancellation",
        Kind.ANSWER: "answer passed on",
        Kind.TELEGRAM: "about Telegram",
        Kind.FAREWELL: "farewell",
        Kind.STAFF: "in the staff room",
    },
    messages="number",
    size="characters",
    after="delay after a PIN",
    still_known=(
        "What the server knows all the same: which accounts talk to the bot, and when ({events} encrypted "
        "messages)."
    ),
    telegram_title="What Telegram saw of Pli",
    in_language="language",
    languages={Language.FR: "French", Language.EN: "English"},
    different="different",
    notices="notices",
    sentences="other sentences",
    calls="requests without text: {method}",
    telegram_knows=(
        "What Telegram knows all the same: that this account is told something by this bot, and when; and "
        "what Odette wrote there herself."
    ),
    one_body="Telegram: one body for all {count} notices in {language}",
    bodies_differ="Telegram: {bodies} different bodies for {count} notices in {language}",
    no_notice="Telegram: there was no notice",
    constants_alone="Telegram: fixed sentences and numbers alone in the other {count} requests",
    strange="Telegram: {count} × {method} held something else",
    at_home="the number of Odette’s chat is at Telegram alone, the bot’s token there and with its keys",
    not_at_home="the number of Odette’s chat or the bot’s token was not found where it belongs",
    verdict_title="Verdict",
    no_leak="no leak: nothing of what was looked for was found",
    leak="LEAK: {times} × {kind}, shape {form}, in {file} ({place})",
    unreadable="could not be read: {file}",
    secrets={
        "reason": "reasons",
        "note": "instructions",
        "place": "places",
        "practitioner": "practitioners",
        "patient": "patients’ references",
        "given name": "first names",
        "agenda id": "the agenda’s references",
        "time": "exact times",
        "code": "sign-up codes",
        "password": "passwords",
        "link": "links to Telegram",
        "chat": "chats in Telegram",
        "token": "the bot’s token there",
        "PIN": "typed PINs",
        "wish": "a patient’s words",
    },
    nothing_searched="nothing was searched",
    control_passed="the search sees well: all {planted} texts hidden on purpose were found",
    control_failed="the positive control failed: the search does not see everything that was hidden",
    one_size="one size: {size} characters for all {count} messages of the bot",
    sizes_differ="the sizes differ: {sizes}",
    in_clear="a message of the bot left in clear",
    all_happened="every step happened ({seconds} s)",
    stopped="all programs stopped in good order",
    not_stopped="a program did not stop in good order",
    missing_step="This step did not happen: {step}",
    kept="Everything was left in {folder}.",
    not_kept='Nothing was left on the disk. To keep everything and look: make demo ARGS="--keep FOLDER"',
    interrupted="interrupted",
)
