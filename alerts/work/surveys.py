"""How the visit was: asked by a link of its own, whatever gift there was; a low answer becomes a task."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from alerts.access.tokens import hash_of, new_token
from alerts.work.clocks import due_at, our_desk
from alerts.work.entries import note
from alerts.work.tasks import add_task
from config import sql
from config.service import service

Connection = psycopg.Connection[Any]
MOST_NOTE = 1000


class NoSuchSurvey(Exception):
    """There is no such question."""


class Survey(NamedTuple):
    """A question that an owner was asked. language : the owner's"""

    survey_id: int
    case_id: int
    dealer_id: str
    dealer_name_zh: str
    dealer_name_en: str
    language: str
    answered_at: datetime | None

    def dealer_name(self, language: str) -> str:
        return self.dealer_name_zh if language.startswith("zh") else self.dealer_name_en


def ask(conn: Connection, case_id: int, *, dealer_id: str, now: datetime) -> str | None:
    """Make the question of a visit; return its token, None when the case has one already."""
    token = new_token()
    values = {"case_id": case_id, "dealer_id": dealer_id, "token_hash": hash_of(token), "now": now}
    return token if conn.execute(sql.load(__package__, "insert_survey"), values).rowcount else None


def find_survey(conn: Connection, token: str) -> Survey:
    """Return the question that a link opens. Raises : NoSuchSurvey"""
    with conn.cursor(row_factory=class_row(Survey)) as cursor:
        found = cursor.execute(sql.load(__package__, "survey_by_token"), {"token_hash": hash_of(token)}).fetchone()
    if found is None:
        raise NoSuchSurvey(NoSuchSurvey.__doc__)
    return found


def answer(conn: Connection, token: str, *, score: int, text: str, now: datetime) -> bool:
    """Take an owner's answer, the first one; return whether it was. score : 1 (bad) to 5. Raises : NoSuchSurvey"""
    survey = find_survey(conn, token)
    rules = service()
    with conn.transaction():
        values = {"survey_id": survey.survey_id, "score": score, "note": text[:MOST_NOTE], "now": now}
        if conn.execute(sql.load(__package__, "answer_survey"), values).rowcount != 1:
            return False
        note(conn, survey.case_id, "survey answered", actor="owner", now=now, text=text, detail={"score": score})
        if score <= rules.low_score:
            add_task(
                conn,
                "low_survey",
                case_id=survey.case_id,
                dealer_id=survey.dealer_id,
                due_at=due_at(now, timedelta(hours=rules.manager_h), our_desk()),
                now=now,
                text=text[:MOST_NOTE],
                source=f"survey {survey.survey_id}",
            )
    return True
