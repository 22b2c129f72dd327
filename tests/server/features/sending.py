"""What our sessions send, noted."""

from indexpilot_cli.db.session import Session


def texts_sent(monkeypatch):
    """The texts of all statements that sessions send from now on."""
    sent = []
    for name in ("rows", "execute"):
        method = getattr(Session, name)

        def noting(self, query, *rest, method=method, **more):
            sent.append(query if isinstance(query, str) else query.as_string())
            return method(self, query, *rest, **more)

        monkeypatch.setattr(Session, name, noting)
    return sent
