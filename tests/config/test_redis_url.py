from __future__ import annotations

import pytest
import redis
from celery import Celery
from django.conf import settings

from config import redis_url


@pytest.mark.parametrize(
    ("url", "offset", "expected"),
    [
        ("redis://localhost:6379", 0, "redis://localhost:6379/0"),
        ("redis://localhost:6379/", 1, "redis://localhost:6379/1"),
        ("rediss://:pass@cache.example:6380/3", 2, "rediss://:pass@cache.example:6380/5"),
        ("redis://localhost/0?ssl_cert_reqs=none", 1, "redis://localhost/1?ssl_cert_reqs=none"),
        ("unix:///run/valkey.sock", 1, "unix:///run/valkey.sock?db=1"),
        ("unix:///run/valkey.sock?db=4", 2, "unix:///run/valkey.sock?db=6"),
    ],
)
def test_the_logical_databases_follow_the_one_named(url: str, offset: int, expected: str) -> None:
    assert redis_url.database(url, offset) == expected


def test_the_broker_is_spelled_for_kombu() -> None:
    assert redis_url.broker("unix:///run/valkey.sock?db=3") == "redis+socket:///run/valkey.sock?virtual_host=3"
    assert redis_url.broker("redis://localhost:6379/2") == "redis://localhost:6379/2"


def test_kombu_and_redis_understand_the_url_alike() -> None:
    """A message published through kombu lies in the logical database the URL names."""
    url = redis_url.database(settings.REDIS_URL, 7)
    app = Celery(broker=redis_url.broker(url), set_as_current=False)
    client = redis.Redis.from_url(url)
    client.flushdb()

    with app.connection_for_write() as connection:
        connection.SimpleQueue("parcel").put({"a": 1})

    assert client.llen("parcel") == 1
    client.flushdb()
    client.close()
