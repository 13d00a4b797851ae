"""The settings: the only reader of the environment.

A value that breaks its rule stops the process before it does anything, with a message that names the variable, the
value and the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from service import egress
from service.egress import Egress

T = TypeVar("T")

_BEARER = "HEDDLE_DATA_SOURCE_TOKEN_"  # and then the type


class BadSetting(ValueError):
    """A variable of the environment breaks its rule, or is missing where it is needed."""


@dataclass(frozen=True)
class DataSource:
    """Where data sources of one type are served: by the workers of a task queue or by an HTTP endpoint, one of both."""

    queue: str = ""
    url: str = ""
    token: str = field(default="", repr=False)  # what an endpoint is sent as its bearer token


@dataclass(frozen=True)
class Settings:
    """What a server or a worker has to know."""

    listen: str  # host:port that the server answers gRPC on
    database_url: str = field(repr=False)  # holds a password, which must not end up in a log
    temporal_address: str
    temporal_namespace: str
    home: Path
    task_queue: str  # where Heddle's own workflow worker takes its work from; task workers choose their own
    history_limit: int | None  # events after which an execution continues as new; None: when Temporal suggests it
    reconcile_seconds: int  # between two looks for workflows that were ended in Temporal behind Heddle's back
    statistics_seconds: int  # how old the statistics may grow before they are gathered anew
    request_retention_days: int  # how long changing requests are remembered; 0: for ever
    data_sources: Mapping[str, DataSource]  # by type
    http_allow: Egress  # where requests of definitions may go

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read and check every variable of a server or worker."""
        url = _read(environ, "HEDDLE_DATABASE_URL", _database_url)
        if url is None:
            raise BadSetting(
                "HEDDLE_DATABASE_URL is not set: name the PostgreSQL database, such as"
                " postgresql://heddle:secret@db.example/heddle (`heddle dev` starts one of its own)"
            )
        retention = _read(environ, "HEDDLE_REQUEST_RETENTION_DAYS", _retention_days)
        return cls(
            listen=_listen(environ),
            database_url=url,
            temporal_address=_read(environ, "HEDDLE_TEMPORAL_ADDRESS", _address) or "127.0.0.1:7233",
            temporal_namespace=_namespace(environ),
            home=_home(environ),
            task_queue=_read(environ, "HEDDLE_TASK_QUEUE", _name) or "heddle",
            history_limit=_read(environ, "HEDDLE_HISTORY_LIMIT", _history_limit),
            reconcile_seconds=_read(environ, "HEDDLE_RECONCILE_SECONDS", _reconcile_seconds) or 20,
            statistics_seconds=_read(environ, "HEDDLE_STATISTICS_SECONDS", _statistics_seconds) or 60,
            request_retention_days=30 if retention is None else retention,
            data_sources=_data_sources(environ),
            http_allow=_read(environ, "HEDDLE_HTTP_ALLOW", egress.parse) or Egress(),
        )


@dataclass(frozen=True)
class DevSettings:
    """What `heddle dev` has to know before it starts what a server and a worker need."""

    listen: str
    home: Path
    database_url: str | None = field(repr=False)  # None: start a private PostgreSQL
    temporal_address: str | None  # None: start a private Temporal
    temporal_namespace: str
    postgres_port: int | None  # None: the port of the last run if it is free, else any free one
    temporal_port: int | None  # likewise

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> DevSettings:
        """Read and check the variables of `heddle dev`, and those that it hands on to its children."""
        # Their bad values are better met before anything runs than in the log of a child.
        Settings.from_environment({**environ, "HEDDLE_DATABASE_URL": "postgresql://own/heddle"})
        return cls(
            listen=_listen(environ),
            home=_home(environ),
            database_url=_read(environ, "HEDDLE_DATABASE_URL", _database_url),
            temporal_address=_read(environ, "HEDDLE_TEMPORAL_ADDRESS", _address),
            temporal_namespace=_namespace(environ),
            postgres_port=_read(environ, "HEDDLE_POSTGRES_PORT", _port),
            temporal_port=_read(environ, "HEDDLE_TEMPORAL_PORT", _port),
        )


def _listen(environ: Mapping[str, str]) -> str:
    return _read(environ, "HEDDLE_LISTEN", _address) or "127.0.0.1:50051"


def _namespace(environ: Mapping[str, str]) -> str:
    return _read(environ, "HEDDLE_TEMPORAL_NAMESPACE", _name) or "default"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HEDDLE_HOME") or ".heddle").absolute()


def _data_sources(environ: Mapping[str, str]) -> dict[str, DataSource]:
    sources = _read(environ, "HEDDLE_DATA_SOURCES", _places) or {}
    for name in sorted(name for name in environ if name.startswith(_BEARER) and environ[name]):
        type = name.removeprefix(_BEARER)
        if type not in sources or not sources[type].url:
            raise BadSetting(f"{name} is set, but HEDDLE_DATA_SOURCES names no endpoint for the type {type!r}")
        if re.fullmatch(r"[!-~]{1,8192}", environ[name]) is None:  # its value must not end up in a log
            raise BadSetting(f"{name} is no token: expected 1 to 8192 printable ASCII characters without spaces")
        sources[type] = replace(sources[type], token=environ[name])
    return sources


def _read(environ: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    # An empty variable counts as absent: that is what `HEDDLE_X= make run` and most deployment files mean by it.
    text = environ.get(name, "")
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise BadSetting(_without_password(f"{name} is {text!r}: {error}")) from None


def _address(text: str) -> str:
    # An IPv6 host stands in brackets, so that its colons are not taken for the port's.
    match = re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[^\s:\[\]/]+):(\d{1,5})", text)
    if match is None:
        raise ValueError("expected host:port, such as 127.0.0.1:50051 or [::1]:50051")
    _port(match[2])
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError("expected a port, a whole number from 1 to 65535")
    return int(text)


def _database_url(text: str) -> str:
    if re.fullmatch(r"postgres(ql)?://\S*/[^/?\s]+(\?\S*)?", text) is None:
        raise ValueError("expected postgresql://user:password@host:port/database")
    return text


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", text) is None:
        raise ValueError("expected 1 to 200 letters, digits, dots, hyphens or underscores")
    return text


def _whole(what: str, least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"expected a number of {what} from {least} to {most}")
        return int(text)

    return read


# Below, an execution would continue as new before its first task could come back; above, Temporal itself ends it.
_history_limit = _whole("history events", 10, 50_000)
_reconcile_seconds = _whole("seconds", 1, 3600)
_statistics_seconds = _whole("seconds", 1, 86_400)
_retention_days = _whole("days", 0, 36_500)


def _places(text: str) -> dict[str, DataSource]:
    found: dict[str, DataSource] = {}
    for part in text.split(","):
        type, _, place = part.strip().partition("=")
        if re.fullmatch(r"[A-Z][A-Z0-9_]{0,127}", type) is None or not place:
            raise ValueError(
                f"{part.strip()!r} is no TYPE=queue:NAME or TYPE=https://HOST/PATH, with commas between them"
            )
        if type in found:
            raise ValueError(f"the type {type} stands twice")
        found[type] = _place(type, place)
    return found


def _place(type: str, place: str) -> DataSource:
    kind, _, rest = place.partition(":")
    if kind == "queue":
        try:
            return DataSource(queue=_name(rest))
        except ValueError as error:
            raise ValueError(f"the task queue of {type} is {rest!r}: {error}") from None
    try:
        url = urlsplit(place)
        sound = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # a port that is no number, or half of an IPv6 address
        sound = False
    if not sound or re.fullmatch(r"[!-~]+", place) is None:
        raise ValueError(f"{type} is served at {place!r}: expected queue:NAME, http://HOST/PATH or https://HOST/PATH")
    if url.username is not None or url.fragment:
        raise ValueError(f"the url of {type} may hold neither a user nor a fragment; a token goes into {_BEARER}{type}")
    return DataSource(url=place)


def _without_password(text: str) -> str:
    return re.sub(r"(?<=://)([^/@\s:]*):[^/\s]*@", r"\1:***@", text)
