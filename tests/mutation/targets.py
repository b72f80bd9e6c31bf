"""Which modules are mutated, and which tests must notice. All of them run without a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEAST_SHARE: Final = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    files: tuple[str, ...]
    tests: tuple[str, ...]


_TALK = ("tests/domain/test_conversation_table.py", "tests/domain/test_conversation_session.py")
_WORDS = ("tests/domain/test_wording.py", "tests/domain/test_wording_rendering.py")

TARGETS: Final = (
    Target(files=("bot/domain/pin.py",), tests=("tests/domain/test_pin.py",)),
    Target(files=("bot/domain/codes.py",), tests=("tests/domain/test_codes.py",)),
    Target(
        files=("bot/channels/matrix/trust.py", "bot/domain/trust.py"),
        tests=("tests/domain/test_trust.py", "tests/channels/test_trust.py"),
    ),
    Target(
        files=("storage/framing.py", "storage/sealed_box.py", "storage/signatures.py", "storage/envelope.py"),
        tests=("tests/storage/test_signatures.py", "tests/storage/test_envelope.py"),
    ),
    Target(files=("storage/wrap.py",), tests=("tests/storage/test_wrap.py",)),
    Target(
        files=(
            "bot/domain/conversation.py",
            "bot/domain/dialogue/table.py",
            "bot/domain/dialogue/parts.py",
            "bot/domain/dialogue/enrolment.py",
            "bot/domain/dialogue/enrolled.py",
            "bot/domain/dialogue/telegram.py",
            "bot/domain/dialogue/times.py",
            "bot/domain/states.py",
            "bot/domain/conversation_picture.py",
        ),
        tests=_TALK,
    ),
    Target(
        files=("bot/domain/intents.py", "bot/domain/vocabulary.py"), tests=("tests/domain/test_intents.py",)
    ),
    Target(files=("bot/domain/figures.py",), tests=("tests/domain/test_figures.py",)),
    Target(files=("bot/domain/held_data.py",), tests=("tests/domain/test_held_data.py",)),
    Target(
        files=("bot/domain/date_words.py", "bot/domain/human_dates.py"),
        tests=("tests/domain/test_date_words.py", "tests/domain/test_human_dates.py"),
    ),
    Target(files=("bot/domain/telling.py",), tests=("tests/domain/test_telling.py",)),
    Target(
        files=("bot/domain/typed_secret.py", "bot/domain/telegram.py"),
        tests=("tests/domain/test_telegram.py", "tests/telegram/test_wire_reading.py"),
    ),
    Target(files=("bot/domain/late.py",), tests=("tests/domain/test_late.py",)),
    Target(files=("bot/domain/long_texts.py",), tests=("tests/domain/test_long_texts.py",)),
    Target(files=("bot/domain/one_line.py",), tests=("tests/domain/test_one_line.py",)),
    Target(files=("bot/domain/retention.py",), tests=("tests/domain/test_retention.py",)),
    Target(
        files=(
            "bot/domain/choices.py",
            "bot/domain/decoys.py",
            "bot/domain/planning.py",
            "bot/domain/slots.py",
            "bot/domain/timing.py",
        ),
        tests=(
            "tests/domain/test_choices.py",
            "tests/domain/test_decoys.py",
            "tests/domain/test_planning.py",
            "tests/domain/test_planning_edges.py",
            "tests/domain/test_slots.py",
            "tests/domain/test_slots_edges.py",
            "tests/domain/test_timing.py",
        ),
    ),
    Target(
        files=("bot/domain/pacing.py", "bot/domain/clock_watch.py"),
        tests=("tests/domain/test_pacing.py", "tests/domain/test_clock_watch.py"),
    ),
    Target(
        files=("bot/domain/leak.py", "bot/domain/leak_trial.py", "bot/domain/leak_attack.py"),
        tests=(
            "tests/domain/test_leak.py",
            "tests/domain/test_leak_trial.py",
            "tests/domain/test_leak_attack.py",
        ),
    ),
    Target(files=("bot/domain/templates.py",), tests=_WORDS),
    Target(
        files=(
            "bot/domain/values.py",
            "bot/domain/messages.py",
            "bot/domain/records.py",
            "bot/domain/appointment.py",
        ),
        tests=("tests/domain/test_values.py", "tests/domain/test_appointment.py"),
    ),
    Target(files=("bot/domain/staff.py",), tests=("tests/domain/test_staff.py",)),
    Target(files=("bot/domain/staff_files.py",), tests=("tests/domain/test_staff_files.py",)),
    # Without the stateful model and the processes that are killed, which take too long for each mutant.
    Target(
        files=(
            "storage/vault_serial.py",
            "storage/vault_rows.py",
            "storage/vault_file.py",
            "storage/vault.py",
        ),
        tests=(
            "tests/storage/test_vault_file.py",
            "tests/storage/test_vault_vectors.py",
            "tests/storage/test_vault.py",
        ),
    ),
)
