"""The server of pages in this process, on a free port, as long as a test needs it."""

import asyncio
import threading
from contextlib import contextmanager

import httpx
import uvicorn

from indexpilot_cli.core.command import Connection
from indexpilot_cli.serve.app import create_app
from indexpilot_cli.serve.server import configured, listen
from indexpilot_cli.serve.values import ServeRequest
from tests.waiting import LIMIT

NOWHERE = Connection("host=/nowhere dbname=shop connect_timeout=2")
TOKEN = "0123456789abcdef0123456789abcdef"


@contextmanager
def serving(**asked):
    """The base URL of a server for this request (``ServeRequest``'s fields)."""
    request = ServeRequest(**{"connection": NOWHERE, "port": 0, **asked})
    listener = listen(request)
    server = uvicorn.Server(configured(create_app(request)))
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def client(token=None, **asked):
    """A client of a server for this request; it sends the token, if any."""
    with serving(token=token, **asked) as url, httpx.Client(base_url=url, timeout=LIMIT, trust_env=False) as found:
        if token is not None:
            found.headers["Authorization"] = f"Bearer {token}"
        yield found
