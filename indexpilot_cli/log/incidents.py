"""Which errors are events of their own kind in the mutation log, whatever command met them."""

from __future__ import annotations

from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, UnreachableError

_BY_CODE = {
    "privilege_missing": MutationType.AUTHORIZATION_DENIED,
    "tampered_plan": MutationType.SECURITY_VIOLATION,
}
# Of errors that say the server is not there: a login it refused, and a statement that took too long.
_LOGIN = "authentication_failed"
_CANCELLED = "timeout"


def incident(error: BaseException | None) -> MutationType | None:
    """The type of row that tells of the error; None where the row of the command does."""
    if isinstance(error, UnreachableError):
        return _of_connection(error)
    if isinstance(error, IndexPilotError) and not isinstance(error, OutcomeUnknownError):
        return _BY_CODE.get(error.code)
    # What nobody foresaw, and what nobody knows the end of. Ctrl-C and signals are neither.
    return MutationType.CRITICAL_ERROR if isinstance(error, Exception) else None


def _of_connection(error: UnreachableError) -> MutationType | None:
    reached = error.__cause__ is not None
    if error.code == _CANCELLED and reached:
        return None
    if error.code != _LOGIN:
        return None if error.code == "password_required" else MutationType.CONNECTION_ERROR
    # The first try without a password, after which it is asked for, is how libpq's programs do it and no failure.
    asked = "no password supplied" in (error.detail or "")
    return None if asked else MutationType.AUTHENTICATION_FAILURE
