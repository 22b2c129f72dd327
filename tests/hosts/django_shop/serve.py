"""Migrates the shop, then serves it from forked workers, each with threads: the sync and the async way in.

Usage: SHOP_CONNINFO=… python serve.py
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.db import connection, connections  # noqa: E402
from django.test import AsyncClient, Client  # noqa: E402
from shop.models import Author, Book  # noqa: E402

from indexpilot_cli import host  # noqa: E402


def visit(worker: int, visitor: int) -> None:
    """Three requests of one visitor, in a thread with connections of its own."""
    client = Client(headers={"X-Account": str(worker)})
    who = f"author {worker}-{visitor}"
    number = client.get("/add", {"author": who, "title": "%s per cent: 100%"}).json()["id"]
    assert client.get("/cheap", {"author": who}).json() == {"titles": ["%s per cent: 100%"]}
    assert client.get("/rename", {"id": [number, -1], "title": "new"}).json() == {"changed": 1}
    connections.close_all()


async def visit_async(worker: int) -> None:
    """The asynchronous way in."""
    account = {"X-Account": str(worker)}
    answer = await AsyncClient().get("/rename", {"id": "-1", "title": "nobody"}, headers=account)
    assert answer.json() == {"changed": 0}


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)
    host.init_connection_pool(os.environ["SHOP_CONNINFO"], 1, 4)
    assert host.discover_and_bootstrap_schema()["success"]
    connections.close_all()
    workers = []
    for worker in (1, 2):
        workers.append(os.fork())
        if workers[-1] == 0:
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(visit, [worker] * 5, range(5)))
            asyncio.run(visit_async(worker))
            sys.exit(0)
    assert [os.waitpid(pid, 0)[1] for pid in workers] == [0, 0]
