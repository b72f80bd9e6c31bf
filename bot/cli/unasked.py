"""What the desk tells without being asked: news, and the morning's line. In the practice's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.app import Installation
from bot.cli.desk_server import Ask
from bot.cli.reply import Line, Part, as_texts
from bot.cli.seat import room_words
from bot.domain.staff import StaffReply
from bot.errors import DeskError
from bot.services.count_morning import CountMorning
from bot.services.record_answer import Answer
from bot.services.tell_news import AnswerNews, Event, News, ProblemNews, TellNews
from config.staff_words import StaffWords

LINE_BYTES = 600


class Unasked:
    """One a process of the import side."""

    def __init__(self, home: Installation) -> None:
        self._home = home

    def news(self, *, urgent: bool) -> StaffReply:
        """See :meth:`bot.ports_staff.Desk.news`."""
        found = self._tell()(urgent=urgent, now=self._home.clock.now())
        if not found:
            return StaffReply()
        texts = as_texts(news_parts(found, self._home), cut=room_words(self._home)("news.cut"))
        return StaffReply(texts=texts, private=True, token=found.token)

    def told(self, token: str) -> StaffReply:
        self._tell().told(token)
        return StaffReply()

    def morning(self) -> StaffReply:
        """See :meth:`bot.ports_staff.Desk.morning`."""
        return StaffReply(texts=(morning_line(self._home),))

    def asks(self) -> Mapping[str, Ask]:
        """For :class:`bot.cli.desk_server.DeskServer`."""

        def news(head: Mapping[str, object]) -> StaffReply:
            urgent = head.get("urgent")
            if set(head) != {"do", "urgent"} or not isinstance(urgent, bool):
                raise DeskError("a frame is not what was agreed")
            return self.news(urgent=urgent)

        def heard(head: Mapping[str, object]) -> StaffReply:
            token = head.get("token")
            if set(head) != {"do", "token"} or not isinstance(token, str):
                raise DeskError("a frame is not what was agreed")
            return self.told(token)

        return {
            "news": lambda frame: news(frame.head),
            "told": lambda frame: heard(frame.head),
            "morning": lambda _: self.morning(),
        }

    def _tell(self) -> TellNews:
        return TellNews(self._home.uow, self._home.import_side().sealer)


def news_parts(news: News, home: Installation) -> list[Part]:
    """One line each: what must be dealt with first comes first."""
    say = room_words(home)
    lines = [_answer_line(a, say, home) for a in news.answers]
    lines += [_problem_line(p, say, home) for p in news.problems]
    if any(a.event is not Event.CONFIRMED_AFTER_ALL for a in news.answers):
        lines.append(say("news.answers_how"))
    return [Line(text=shortened(line)) for line in lines]


def shortened(line: str) -> str:
    """So that all lines of a piece fit into the messages of one reply: what is told is marked as told."""
    data = line.encode()
    if len(data) <= LINE_BYTES:
        return line
    return data[: LINE_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def _answer_line(news: AnswerNews, say: StaffWords, home: Installation) -> str:
    answer = news.answer
    if not answer.readable:
        return say("news.unreadable", event=say(f"news.{news.event.value}"))
    parts = [answer.patient, _when(answer, say, home), answer.with_, answer.text and f"« {answer.text} »"]
    told_ = ", ".join(part for part in parts if part)
    return say("news.answer", event=say(f"news.{news.event.value}"), what=told_, source=answer.source)


def _when(answer: Answer, say: StaffWords, home: Installation) -> str:
    return say.moment(datetime.fromisoformat(answer.at), home.settings.practice.zone) if answer.at else ""


def _problem_line(news: ProblemNews, say: StaffWords, home: Installation) -> str:
    since = say.moment(news.since, home.settings.practice.zone)
    patients = ", ".join(news.patients) or say("news.no_patient")
    if news.together:
        text = say(f"problem.{news.kind.value}_many", count=news.count)
        return say("news.problem", patients=patients, what=text, since=since)
    text = say(f"problem.{news.kind.value}")
    times = f" ({news.count}×)" if news.count > 1 else ""
    return say("news.problem", patients=patients, what=text + times, since=since)


def morning_line(home: Installation) -> str:
    """One line, always."""
    say = room_words(home)
    counts = CountMorning(home.uow)(home.clock.now())
    line = say(
        "morning.line",
        nudged=say.count("morning.nudged", counts.nudged),
        opened=say.count("morning.opened", counts.opened),
        waiting=say.count("morning.waiting", counts.waiting),
        problems=say.count("morning.problems", counts.problems),
        standing=counts.standing,
    )
    return f"{line} {say('pause.is_on')}" if counts.paused else line
