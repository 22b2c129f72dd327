"""S3: who may ask the server of pages, and what nobody may."""

import contextlib
import json
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from indexpilot_cli.admin import doctor
from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.serve import security, server
from indexpilot_cli.serve.results import Results
from indexpilot_cli.settings.sections import OperationalSettings, ServeSettings, Settings
from tests.serving import TOKEN, client, serving
from tests.waiting import LIMIT, eventually

HOSTS = ("evil.com", "evil.com:80", "127.0.0.1.evil.com", "localhost.evil.com", "evil.com@localhost", "127.1", "0", "")
TRAVERSAL = (
    "/static/../../pyproject.toml",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%2f..%2fetc/passwd",
    "/static//etc/passwd",
    "/static/%00",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/static/..\\..\\etc\\passwd",
    "//etc/passwd",
)
HALF_A_BODY = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"
HEADERS = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "cache-control")


def with_serve(**changed):
    return Settings(operational=OperationalSettings(serve=ServeSettings(**changed)))


@pytest.fixture(scope="module")
def open_site():
    with client() as found:
        yield found


@pytest.fixture(scope="module")
def closed_site():
    with serving(token=TOKEN) as url, httpx.Client(base_url=url, timeout=LIMIT, trust_env=False) as found:
        yield found


@pytest.mark.parametrize("host", HOSTS)
def test_s3_a_foreign_host_is_refused(open_site, host):
    answer = raw(open_site, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 421"), answer[:200]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:80", "[::1]:9"])
def test_our_own_names_are_answered(open_site, host):
    assert open_site.get("/healthz", headers={"Host": host}).status_code == 200


def test_no_host_and_two_hosts_are_no_way_in(open_site):
    assert raw(open_site, "GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421")
    assert b" 400 " in raw(open_site, "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n").split(b"\r\n")[0]


@pytest.fixture(scope="module")
def reached_site():
    """As in a container: whoever is on the network reaches it."""
    with (
        serving(token=TOKEN, address="0.0.0.0") as url,
        httpx.Client(base_url=url, timeout=LIMIT, trust_env=False) as found,
    ):
        yield found


@pytest.mark.parametrize("host", ["10.244.1.7:8080", "192.0.2.1", "[fd00::1]:8080", "localhost"])
def test_beyond_loopback_any_address_is_ours(reached_site, host):
    """The kubelet probes, and Prometheus scrapes, the pod's address; to addresses no foreign name can be rebound."""
    assert reached_site.get("/healthz", headers={"Host": host}).status_code == 200
    assert reached_site.get("/readyz", headers={"Host": host}).status_code == 503
    assert reached_site.get("/metrics", headers={"Host": host}).status_code == 401


@pytest.mark.parametrize("host", ["evil.com", "10.244.1.7.evil.com", "10.244.1", "0x0a.1.1.1", "[evil]:80", "1.2.3:x"])
def test_beyond_loopback_no_name_is_ours_that_is_not_told(reached_site, host):
    assert raw(reached_site, f"GET /healthz HTTP/1.0\r\nHost: {host}\r\n\r\n").startswith(b"HTTP/1.1 421")


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://localhost:1", "https://127.0.0.1.evil.com", "x"])
def test_s3_a_foreign_origin_is_refused(open_site, origin):
    assert open_site.get("/metrics", headers={"Origin": origin}).status_code == 403


def test_our_own_origin_is_none_of_the_foreign(open_site):
    own = str(open_site.base_url).rstrip("/")
    assert open_site.get("/healthz", headers={"Origin": own}).status_code == 200


def test_s3_cors_answers_the_origins_of_the_settings_and_no_other():
    asking = {"Origin": "https://grafana.example", "Access-Control-Request-Method": "GET"}
    with client(TOKEN, settings=with_serve(origins=("https://grafana.example",))) as found:
        allowed = found.options("/metrics", headers={**asking, "Authorization": ""})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, asking["Origin"])
        assert found.get("/healthz", headers=asking).headers["access-control-allow-origin"] == asking["Origin"]
        assert found.options("/metrics", headers={**asking, "Origin": "https://other"}).status_code == 403


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN]
)
def test_s3_without_the_token_nothing_but_probes_is_answered(closed_site, given):
    headers = {} if given is None else {"Authorization": given}
    refused = closed_site.get("/metrics", headers=headers)
    assert refused.status_code in (401, 429)
    assert refused.json()["error"]["code"] in ("token", "too_often")
    assert closed_site.get("/healthz", headers=headers).status_code == 200


def test_the_token_opens_and_guessing_is_slowed_down(no_time_passes):
    with client(TOKEN) as found:
        assert found.get("/openapi.json").status_code == 200
        wrong = [found.get("/openapi.json", headers={"Authorization": f"Bearer {n:032}"}) for n in range(14)]
        assert {a.status_code for a in wrong} == {401, 429}
        assert int(wrong[-1].headers["retry-after"]) >= 1
        assert found.get("/openapi.json").status_code == 200, "who has the token is let in all the same"


@pytest.mark.parametrize("path", TRAVERSAL)
def test_paths_lead_nowhere_else(open_site, path):
    answer = raw(open_site, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500, answer[:300]
    assert b"root:" not in answer
    assert b"[project]" not in answer


def test_every_answer_carries_the_headers_also_a_refusal(open_site, closed_site):
    answers = (
        open_site.get("/healthz"),
        open_site.get("/nowhere"),
        open_site.put("/healthz"),
        open_site.get("/healthz", headers={"Host": "evil.com"}),
        closed_site.get("/metrics"),
    )
    for answer in answers:
        assert [name for name in HEADERS if name not in answer.headers] == []
        assert "server" not in answer.headers
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_errors_are_json(open_site):
    for answer in (open_site.get("/nowhere"), open_site.delete("/healthz"), open_site.post("/metrics", content=b"x")):
        assert 400 <= answer.status_code < 500
        assert set(answer.json()["error"]) == {"code", "message", "detail", "hint"}


def test_head_is_get_without_a_body(open_site):
    answer = raw(open_site, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")


def test_bodies_have_an_end(open_site):
    assert open_site.post("/healthz", content=b"x" * 2_000_001).status_code == 413
    told = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    assert raw(open_site, told).startswith(b"HTTP/1.1 413")

    def endless():
        for _ in range(60):
            yield b"x" * 50_000

    assert open_site.post("/healthz", content=endless()).status_code == 413


def test_heads_have_an_end(open_site):
    answer = raw(open_site, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + "x" * 200_000 + "\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")


def test_slow_clients_are_hung_up_on_and_the_others_do_not_wait(monkeypatch):
    # Of heads and bodies one at a time may be slow, so that a busy machine's own slowness is nobody's.
    monkeypatch.setattr(server, "HEAD_SECONDS", LIMIT)
    monkeypatch.setattr(security, "BODY_SECONDS", 0.5)
    with client() as found:
        slow = [connected(found) for _ in range(30)]
        for one in slow:
            one.sendall(HALF_A_BODY)
        assert found.get("/healthz").status_code == 200
        assert all(received(one).startswith(b"HTTP/1.1 408") for one in slow)
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
        slow = [connected(found) for _ in range(30)]
        for one in slow:
            with contextlib.suppress(ConnectionError):  # hung up on already
                one.sendall(b"GET /healthz HT")
        assert all(received(one) == b"" for one in slow), "half a request line is never answered"


def test_a_second_request_may_not_dawdle_either(monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", LIMIT)
    with client() as found:
        one = connected(found)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one.recv(100_000).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
        one.sendall(b"GET /hea")
        assert b"HTTP" not in received(one)


def test_who_asks_too_often_is_told_when_to_come_again(no_time_passes):
    with client(settings=with_serve(requests_per_minute=5)) as found:
        answers = [found.get("/healthz") for _ in range(7)]
        assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_m1_a_database_that_is_away_is_a_state(open_site, path):
    answer = open_site.get(path)
    assert answer.status_code == {"/healthz": 200, "/readyz": 503, "/metrics": 200}[path]
    if path == "/metrics":
        assert "indexpilot_up" in answer.text
    else:
        assert json.loads(answer.text)["status"] == {"/healthz": "ok", "/readyz": "database_away"}[path]


def test_nothing_can_be_asked_while_many_wait_for_a_dead_database(monkeypatch):
    """Readers of a database that does not answer wait for one attempt together, and probes wait for nobody."""
    attempts, over = [], threading.Event()

    def silent(request, progress):
        attempts.append(request)
        over.wait()
        raise UnreachableError("the database does not answer")

    asked, due = [], Results._due
    monkeypatch.setattr(Results, "_due", lambda *given: asked.append(given) or due(*given))
    monkeypatch.setattr(doctor, "run", silent)
    with client() as site, ThreadPoolExecutor(20) as readers:
        try:
            waiting = [readers.submit(site.get, "/readyz") for _ in range(20)]
            eventually(lambda: len(asked) == 20)
            assert site.get("/healthz").status_code == 200
        finally:
            over.set()
        assert {one.result().status_code for one in waiting} == {503}
    assert len(attempts) == 1


def raw(found, text):
    with connected(found) as one:
        with contextlib.suppress(ConnectionError):  # answered, and hung up on, before all was sent
            one.sendall(os.fsencode(text))
        return received(one)


def connected(found):
    return socket.create_connection((found.base_url.host, found.base_url.port), LIMIT)


def received(one):
    """Everything until the other side hangs up."""
    parts = b""
    try:
        while piece := one.recv(100_000):
            parts += piece
    except ConnectionResetError:
        pass
    return parts
