"""One Redis-protocol server, several logical databases: queues, channels and cache never share keys.

``redis://host:6379/0``, ``rediss://…`` and ``unix:///path/to.sock?db=0`` are understood; the database
named in the URL is the first of those used.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

BROKER, CHANNELS, CACHE = 0, 1, 2

SCHEMES = ("redis", "rediss", "unix")


def database(url: str, offset: int) -> str:
    """The same server, the logical database ``offset`` places after the one the URL names."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query))
        query["db"] = str(int(query.get("db", 0)) + offset)
        # not urlunsplit: before Python 3.12.6 it loses the empty authority of unix:///path
        return f"unix://{parts.path}?{urlencode(query)}"
    first = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{first + offset}"))


def broker(url: str) -> str:
    """As kombu spells it: Unix sockets are ``redis+socket://`` and the database is its virtual host."""
    own = database(url, BROKER)
    parts = urlsplit(own)
    if parts.scheme != "unix":
        return own
    query = dict(parse_qsl(parts.query))
    query["virtual_host"] = query.pop("db")
    return f"redis+socket://{parts.path}?{urlencode(query)}"
