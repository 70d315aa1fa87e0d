"""What the safety desk's page calls states and tasks, in the language of who reads it."""

from config.i18n import translator

_TARGETS = {"pile": "Station", "car": "Car"}
_STATES = {
    "asked": "waits for a decision",
    "decided": "is leaving",
    "sent": "asked, no answer yet",
    "accepted": "accepted, not confirmed yet",
    "failed": "did not get there",
    "confirmed": "has stopped",
    "refused": "refuses to stop",
    "unconfirmed": "nobody confirms: phone",
    "expired": "too late: phone",
}
_TASKS = {
    "call_owner": "Call the owner",
    "stop_by_phone": "Have it stopped by phone",
    "decide_stop": "Decide whether to stop",
    "send_specialist": "Send a specialist",
}
_RESULTS = {
    "reached": "reached",
    "not_reached": "not reached",
    "done": "done",
    "not_done": "not done",
    "stop": "stop",
    "no stop": "do not stop",
}
_RECIPIENTS = {"owner": "Owner", "supervisor": "Supervisor"}


def stop_target(target: str, language: str) -> str:
    return translator(language)(_TARGETS.get(target, target))


def stop_state(state: str, language: str) -> str:
    return translator(language)(_STATES.get(state, state))


def task(kind: str, language: str) -> str:
    return translator(language)(_TASKS.get(kind, kind))


def task_result(result: str | None, language: str) -> str:
    return translator(language)(_RESULTS.get(result or "", result or ""))


def recipient(who: str, language: str) -> str:
    return translator(language)(_RECIPIENTS.get(who, who))
