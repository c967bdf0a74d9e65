"""How log lines are written: plain for people, JSON for machines, both without what errors quote.

Libraries put values into the messages of their exceptions (`invalid literal …: 'Jane'`), and PostgreSQL rows into its
details. So an exception is logged by its type, its place in the code, and its words only where they are ours: those
promise to hold no person and no secret.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import UTC, datetime

from config import correlation, places

#: whose exceptions' words may be repeated
OURS = ("accounts", "analytics", "ats", "config", "connectors", "issues", "realtime", "triggers")
#: attributes every record has; what else is there came as ``extra``
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "correlation_id"}


def words_of(error: BaseException) -> str:
    """The exception's type, with its message if it is one of ours."""
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"{name}: {error}" if kind.__module__.partition(".")[0] in OURS else name


def trace_of(error: BaseException) -> str:
    """The traceback as Python writes it, without foreign messages."""
    parts, seen = [], set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        parts.append("".join(traceback.format_tb(step.__traceback__)) + words_of(step))
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)
    return "\n… because of\n".join(parts)


class Careful(logging.Filter):
    """Puts the correlation id on every record and takes out what libraries quote."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = correlation.current()
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(record.args, dict) and "exc" in record.args:
            # celery.app.trace: "Task … raised unexpected: <repr of the exception>", with the traceback as text
            record.args = {**record.args, "exc": words_of(error) if error else "an exception", "traceback": "", "args": "", "kwargs": ""}
        elif record.name == "django.request" and isinstance(record.args, tuple) and (request := getattr(record, "request", None)):
            # "Not Found: %s", and what else Django says with the path in it
            record.correlation_id = correlation.current() or request.META.get(correlation.OF_REQUEST, "")
            record.args = tuple(places.told(request) if said == request.path else said for said in record.args)
        elif record.name == "asyncio":
            record.msg, record.args = record.getMessage().partition("\n")[0], None
        record.exc_text = None
        return True


def particulars(record: logging.LogRecord) -> dict[str, str | int | float | bool]:
    """What came as ``extra`` and is a plain value: objects may hold anything."""
    return {key: value for key, value in vars(record).items() if key not in STANDARD and isinstance(value, str | int | float | bool)}


class Plain(logging.Formatter):
    """For people: time, level, logger, message, and what else is known of it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return " ".join([super().formatMessage(record), *(f"{key}={value}" for key, value in particulars(record).items())])

    def formatException(self, ei: object) -> str:
        error = ei[1] if isinstance(ei, tuple) else None
        return trace_of(error) if isinstance(error, BaseException) else ""


class Json(Plain):
    """For machines: one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": os.environ.get("STAGEWATCH_PROCESS", ""),
            "pid": record.process,
            "message": record.getMessage(),
        }
        if identity := getattr(record, "correlation_id", ""):
            line["correlation_id"] = identity
        line |= particulars(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configuration(*, level: str, style: str) -> dict[str, object]:
    """Django's LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"careful": {"()": "config.logs.Careful"}},
        "formatters": {"plain": {"()": "config.logs.Plain"}, "json": {"()": "config.logs.Json"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": style, "filters": ["careful"]}},
        "root": {"handlers": ["console"], "level": level},
        # Django's own handlers would write past ours
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            "axes": {"level": "CRITICAL"},  # it logs names and addresses of who failed to log in
        },
    }
