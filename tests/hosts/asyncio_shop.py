"""A shop on asyncio with psycopg's own pool: tasks of many tenants in the main process and in a forked worker.

Usage: python asyncio_shop.py CONNINFO
"""

import asyncio
import multiprocessing
import sys
from contextvars import ContextVar

from psycopg_pool import AsyncConnectionPool

from indexpilot_cli import host
from indexpilot_cli.host import aio

CONNINFO = sys.argv[1]
TABLES = """
CREATE TABLE IF NOT EXISTS accounts (id int PRIMARY KEY, name text);
CREATE TABLE IF NOT EXISTS tickets (id bigserial PRIMARY KEY, account_id int, state text, opened date)
"""
account: ContextVar[int] = ContextVar("account")


async def visit(pool: AsyncConnectionPool, number: int) -> None:
    """One visitor's statements, in a task of its own."""
    account.set(number)
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO tickets (account_id, state) VALUES (%s, 'open')", [number])
        found = await connection.execute(
            "SELECT id FROM tickets WHERE account_id = %(account)s AND state = %(state)s ORDER BY opened DESC LIMIT 5",
            {"account": number, "state": "open"},
        )
        assert await found.fetchall()
        async with connection.cursor() as cursor:
            await cursor.executemany("DELETE FROM tickets WHERE id = %s", [(-1,), (-2,)])


async def serve(first: int) -> None:
    """Twenty visitors at once; what was recorded is written before the loop ends."""
    options = {"cursor_factory": host.recording_async_cursor(account)}
    async with AsyncConnectionPool(CONNINFO, min_size=2, max_size=4, kwargs=options) as pool:
        async with pool.connection() as connection:
            await connection.execute(TABLES)
        made = await aio.discover_and_bootstrap_schema()
        assert made["success"], made
        await asyncio.gather(*(visit(pool, number) for number in range(first, first + 20)))
    assert await aio.flush_query_stats()
    assert await aio.get_query_stats(table_name="tickets")


def work() -> None:
    """The forked worker."""
    asyncio.run(serve(101))
    host.log_query_stat(999, "tickets", "state", "equal", 1.0)  # written when the worker ends


if __name__ == "__main__":
    host.init_connection_pool(CONNINFO, 1, 4)
    asyncio.run(serve(1))
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
