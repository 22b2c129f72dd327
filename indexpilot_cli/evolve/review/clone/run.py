"""Running one migration file on the clone as ``psql -f`` would, and looking after every statement."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from indexpilot_cli.core.observation import (
    Lock,
    LockMode,
    MigrationObservation,
    RunState,
    SqlError,
    StatementObservation,
    Work,
    WorkKind,
)
from indexpilot_cli.db.observe_session import SessionAnswer
from indexpilot_cli.evolve.review.clone.changes import OpenTransaction, Tracker, changes_between
from indexpilot_cli.evolve.review.clone.faults import (
    Surroundings,
    excuse,
    is_missing,
    is_there,
    missing_role,
    refuses_transaction,
)
from indexpilot_cli.evolve.review.clone.look import SessionState, Unobservable
from indexpilot_cli.evolve.review.clone.outside import outside_locks, unexecuted, vacuumed
from indexpilot_cli.evolve.review.clone.sandbox import Sandbox, UntrustedSession, let_in
from indexpilot_cli.evolve.review.clone.work import RelationsAtStart, failed, locks_of, not_run, ran, work_of
from indexpilot_cli.sql.ddl.action import Action, Migration, MigrationStatement, bodies_of, performed

# They mean nothing outside a transaction block, and the server says so only there.
_BLOCK_ONLY = re.compile(r"\s*(lock|declare)\b", re.I)
_CONTROL = re.compile(r"\s*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release)\b", re.I)
_PREPARED = re.compile(r"\s*(?P<begin>prepare\s+transaction|(?:commit|rollback)\s+prepared)\b", re.I)
_QUIET = re.compile(r"\s*(set|reset|show|discard)\b", re.I)
# SET TRANSACTION ISOLATION LEVEL is refused (25001) behind any query of the transaction, one of ours included.
# https://www.postgresql.org/docs/current/sql-set-transaction.html
_FIRST = re.compile(r"\s*(set\s+(local\s+|session\s+)?(transaction|characteristics)|discard)\b", re.I)
_MAKES = re.compile(r"\s*(create|alter|do|call|select|import)\b", re.I)
_TRY = "indexpilot_try"
# At this level the server says which tables it rewrites and verifies, and which indexes it builds.
_LOUD = "client_min_messages TO debug1"
_MOST_ROLES = 50


class Runner:
    """One file's run in a session of its own."""

    def __init__(
        self,
        session: UntrustedSession,
        version: int,
        path: Sequence[str],
        around: Surroundings,
        sandbox: Sandbox,
    ):
        self._session = session
        self._tracker = Tracker(session, version, path)
        self._around = around
        self._sandbox = sandbox
        self._limits = sandbox.limits
        self._end = time.monotonic() + sandbox.limits.run_seconds
        self._number = 0
        self._open: OpenTransaction | None = None
        self.unmade = False  # a statement was not run that would have made something
        self.scene: RelationsAtStart | None = None  # before the first of several files, once that is known
        self._stopped = ""
        self._failed = False
        self._roles: list[str] = []
        self._bodies: dict[str, tuple[Action, ...]] = {}

    def run(self, migration: Migration, method: str) -> MigrationObservation:
        """What each statement did, and the file as a whole."""
        try:
            self._tracker.begin(scene=True)
            # What an earlier file of this run made, nobody has used: it is as new as what this one makes.
            self.scene = self._tracker.scene = self.scene or self._tracker.scene
            self._let_in(self._sandbox.roles)
        except Unobservable as blind:
            self._stop(str(blind))
            self._session.close()
        first = self._tracker.objects
        if migration.one_transaction:
            self._session.tell("BEGIN")
            self._enter()
        seen = [self._statement(statement) for statement in migration.statements]
        left_open = self._finish(migration)
        return MigrationObservation(
            migration.path,
            method,
            tuple(seen),
            changes_between(first, self._tracker.objects, self._tracker.names),
            open_transaction=left_open,
            notes=self._notes(),
        )

    # -- one statement

    def _statement(self, statement: MigrationStatement) -> StatementObservation:
        if self._stopped or self._session.dead:
            return self._skipped(statement)
        if time.monotonic() > self._end:
            return self._not_run(
                statement, f"the file ran longer than {self._limits.run_seconds:.0f} s on empty tables"
            )
        behind = self._failed
        try:
            seen = self._seen_through(statement)
            # Nobody knows how the failure will be mended: without the statement that fails is one way of it.
            mended = behind and seen.state in (RunState.RAN, RunState.FAILED)
            return replace(seen, state=RunState.BEHIND) if mended else seen
        except Unobservable as blind:
            self._stop(str(blind))
            self._session.close()
            return self._not_run(statement, str(blind))

    def _seen_through(self, statement: MigrationStatement) -> StatementObservation:
        if _PREPARED.match(statement.sql):
            return self._prepared(statement)
        if _CONTROL.match(statement.sql):
            return self._control(statement)
        if _QUIET.match(statement.sql):
            return self._plain(statement)
        if self._open is not None:
            return self._inside(statement)
        if _BLOCK_ONLY.match(statement.sql):
            return self._outside(statement, self._next())
        return self._alone(statement)

    def _control(self, statement: MigrationStatement) -> StatementObservation:
        was = self._open
        answer = self._send(statement)
        if self._session.dead or answer.error or answer.overrun:
            return self._ended(self._failure(statement, answer, was.number if was else self._next()))
        if self._session.in_transaction and was is None:
            self._enter()
        elif self._session.idle and was is not None:
            # COMMIT of a failed transaction raises nothing: the server answers with the tag ROLLBACK.
            self._leave(committed=answer.tags[-1:] == ["COMMIT"])
        # ROLLBACK TO SAVEPOINT: the transaction goes on, and what was known at the savepoint was not kept.
        elif was is not None and re.match(r"\s*(rollback|abort)\b", statement.sql, re.I):
            was.last = self._tracker.look(whole=True)
            self._tracker.read_everything()
        number = was.number if was else self._number
        return ran(statement, answer, number)

    def _prepared(self, statement: MigrationStatement) -> StatementObservation:
        """Two-phase commit is off in the sandbox; what it would prepare is committed, for what follows to see it."""
        number = self._open.number if self._open else self._next()
        if self._open is not None and statement.sql.lstrip()[:1] in "pP":
            ended = self._session.tell("COMMIT", self._limits.statement_seconds)
            self._leave(committed=ended.tags[-1:] == ["COMMIT"])
        return not_run(statement, number, "the sandbox has no prepared transactions")

    def _plain(self, statement: MigrationStatement) -> StatementObservation:
        """SET and its like lock nothing; some must be a transaction's first word, before any look."""
        number = self._open.number if self._open else self._next()
        within = self._open is not None and not _FIRST.match(statement.sql)
        answer = self._tried(statement) if within else self._send(statement)
        while not within and self._made_role(answer):
            self._let_in(self._roles[-1:])
            answer = self._send(statement)
        if answer.error or answer.overrun:
            failure = self._failure(statement, answer, number)
            return self._gone_on(failure) if within else self._ended(failure)
        if within:
            self._session.tell(f"RELEASE SAVEPOINT {_TRY}")
        return ran(statement, answer, number)

    def _alone(self, statement: MigrationStatement) -> StatementObservation:
        number = self._next()
        while True:
            # In a block of ours, so that the statement's locks can be read while they are still held.
            before = self._tracker.look("BEGIN", f"SET LOCAL {_LOUD}")
            answer = self._send(statement)
            if not self._made_role(answer):
                break
            self._session.tell("ROLLBACK")
            self._let_in(self._roles[-1:])
        # Only the server knows which statements refuse a block: they are found by trying.
        if answer.error and refuses_transaction(answer.error):
            self._session.tell("ROLLBACK")
            return self._outside(statement, number)
        if answer.error or answer.overrun or not self._session.in_transaction:
            self._session.tell("ROLLBACK")
            return self._failure(statement, answer, number)
        kept = self._tracker.keep()
        seen, _ = self._seen(statement, answer, before, number)
        ended = self._session.tell("COMMIT", self._limits.statement_seconds)
        # Deferred constraints and constraint triggers speak only at COMMIT.
        if ended.error or ended.overrun:
            self._tracker.restore(kept)
            return self._failure(statement, ended, number)
        return seen

    def _inside(self, statement: MigrationStatement) -> StatementObservation:
        transaction = self._open
        assert transaction is not None
        # Locks are kept until the transaction ends: the look after one statement serves as that before the next.
        before = transaction.last or self._tracker.look()
        transaction.last = before
        answer = self._tried(statement)
        if not (answer.error or answer.overrun) and self._session.in_transaction:
            self._session.tell(f"RELEASE SAVEPOINT {_TRY}")
            seen, transaction.last = self._seen(statement, answer, before, transaction.number)
            return seen
        return self._gone_on(self._failure(statement, answer, transaction.number))

    def _ended(self, failure: StatementObservation) -> StatementObservation:
        """Go on behind a statement that no savepoint guards, if it did not break the transaction it stands in."""
        if self._session.idle and self._open is not None:
            self._leave(committed=False)
        elif not (self._session.dead or self._session.idle or self._session.in_transaction):
            self._stop("an earlier statement fails")
        return failure

    def _gone_on(self, failure: StatementObservation) -> StatementObservation:
        """Go on in the transaction after a statement that fails, or that the sandbox did not run."""
        if not self._session.dead:
            back = self._session.tell(f"ROLLBACK TO SAVEPOINT {_TRY}; RELEASE SAVEPOINT {_TRY}")
            if back.error or not self._session.in_transaction:
                not_run = failure.state is RunState.NOT_RUN
                self._stop(
                    "the transaction could not be continued after a statement that was not run"
                    if not_run
                    else "an earlier statement fails"
                )
        return failure

    def _outside(self, statement: MigrationStatement, number: int) -> StatementObservation:
        # Not SET LOCAL, which would end with the block it stands in: the statement begins its own transactions.
        self._session.tell(f"SET {_LOUD}")
        before = self._tracker.look("BEGIN", whole=True)
        self._session.tell("ROLLBACK")
        answer = self._send(statement)
        if not self._session.idle:
            self._session.tell("ROLLBACK")
        if answer.error or answer.overrun:
            failure = replace(self._failure(statement, answer, number), outside_transaction=True)
            if not self._session.dead:
                # A CONCURRENTLY that fails has committed its first steps: an invalid index may be there now.
                # https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
                self._tracker.begin()
            return failure
        after = self._tracker.look("BEGIN", whole=True)
        changes = self._tracker.changes_alone(statement, before, after)
        self._session.tell("ROLLBACK")
        scene = self._tracker.scene
        # It has committed: what it locked is free again, and is named by rule.
        before, after = replace(before, locks={}), replace(after, locks={})
        work = work_of(scene, statement, before, after, answer.messages, self._tracker.objects.values())
        work += vacuumed(scene, statement, before.relations)
        work = self._with_unexecuted(statement, work, before)
        changed = {change.table for change in changes if change.table}
        locks = outside_locks(scene, statement, before, after, work, changed)
        seen = ran(statement, answer, number, locks, locks, work)
        return replace(seen, changes=changes, outside_transaction=True)

    def _with_unexecuted(
        self, statement: MigrationStatement, work: tuple[Work, ...], state: SessionState
    ) -> tuple[Work, ...]:
        modified = {item.relation.name for item in work if item.kind is WorkKind.MODIFY}
        happening = performed(statement.actions, self._bodies)
        extra = unexecuted(self._tracker.scene, happening, state.relations)
        return work + tuple(item for item in extra if item.relation.name not in modified)

    # -- sending and looking

    def _send(self, statement: MigrationStatement) -> SessionAnswer:
        left = max(1.0, self._end - time.monotonic())
        return self._session.run(statement.sql, min(left, self._limits.statement_seconds))

    def _tried(self, statement: MigrationStatement) -> SessionAnswer:
        """Behind a savepoint, which is left open; again for every role it names that can be made."""
        while True:
            # Any error aborts the transaction (25P02 for all that follows): a savepoint lets it go on where only the
            # sandbox is to blame.
            self._session.tell(f"SAVEPOINT {_TRY}; SET LOCAL {_LOUD}")
            answer = self._send(statement)
            if not self._made_role(answer):
                return answer
            # ROLLBACK TO keeps the savepoint, and the next of that name hides it: both end with the transaction.
            self._session.tell(f"ROLLBACK TO SAVEPOINT {_TRY}")
            self._let_in(self._roles[-1:])

    def _seen(
        self, statement: MigrationStatement, answer: SessionAnswer, before: SessionState, number: int
    ) -> tuple[StatementObservation, SessionState]:
        """What a statement did whose transaction is still open, and the look after it."""
        self._bodies |= bodies_of(statement.actions)
        after = self._tracker.look()
        locks, held = locks_of(self._tracker.scene, before, after)
        changes = self._tracker.changes(statement, before, after)
        work = work_of(self._tracker.scene, statement, before, after, answer.messages, self._tracker.objects.values())
        work = self._with_unexecuted(statement, work, before)
        # Changes of rows in a loop that empty tables never enter: with rows they take ROW EXCLUSIVE.
        had = {lock.relation.name for lock in held if lock.mode.strength >= LockMode.ROW_EXCLUSIVE.strength}
        more = tuple(
            Lock(item.relation, LockMode.ROW_EXCLUSIVE)
            for item in work
            if item.source == "rule" and item.kind is WorkKind.MODIFY and item.relation.name not in had
        )
        raised = {lock.relation.name for lock in more}
        held = (*(lock for lock in held if lock.relation.name not in raised), *more)
        return replace(ran(statement, answer, number, locks + more, held, work), changes=changes), after

    # -- transactions

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _enter(self) -> None:
        self._open = OpenTransaction(self._next(), self._tracker.keep())

    def _leave(self, *, committed: bool) -> None:
        if self._open is not None and not committed:
            self._tracker.restore(self._open.kept)
        self._open = None

    def _finish(self, migration: Migration) -> bool:
        """End what the file left open; whether it did."""
        if self._session.dead or self._session.idle:
            return False
        if migration.one_transaction and self._session.in_transaction and not self._stopped:
            ended = self._session.tell("COMMIT", self._limits.statement_seconds)
            self._leave(committed=ended.error is None and ended.tags[-1:] == ["COMMIT"])
            return False
        # psql ends with its file, and the server rolls back what a session leaves open.
        open_block = self._session.in_transaction and not self._stopped
        self._session.tell("ROLLBACK")
        self._leave(committed=False)
        return open_block

    # -- results

    def _made_role(self, answer: SessionAnswer) -> bool:
        name = missing_role(answer.error) if answer.error else None
        if name is None or len(self._roles) >= _MOST_ROLES or self._is_nobody(name):
            return False
        if not self._sandbox.make_role(name):
            return False
        self._roles.append(name)
        return True

    def _is_nobody(self, name: str) -> bool:
        """Whether the source has no such role, and no statement that was not run can have made it."""
        return bool(self._around.roles) and name not in self._around.roles and not self.unmade

    def _let_in(self, roles: Sequence[str]) -> None:
        """Let the roles own things in every schema, as somebody must have let them in production."""
        schemas = [item.object.path[0] for item in self._tracker.objects.values() if item.object.kind == "schema"]
        if roles and schemas:
            let_in(self._session, schemas, roles)

    def _failure(self, statement: MigrationStatement, answer: SessionAnswer, number: int) -> StatementObservation:
        reason = answer.overrun
        if reason is None and answer.error is not None:
            reason = excuse(answer.error, statement.sql, self._around) or self._excuse_of_missing(answer.error)
        if self._session.dead:
            self._stop(reason or "the session ended")
        if reason is not None or answer.error is None:
            if _MAKES.match(statement.sql):
                self.unmade = True
            return not_run(statement, number, reason or "it ended the transaction it ran in", answer.error)
        self._failed = True
        return failed(statement, number, answer.error)

    def _excuse_of_missing(self, error: SqlError) -> str | None:
        if self._failed and (is_missing(error) or is_there(error)):
            return f"it stands behind a failure and may need what that statement would have done: {error.message}"
        if not self.unmade or not is_missing(error):
            return None
        return f"it may need what a statement before it would have made, which was not run: {error.message}"

    def _not_run(self, statement: MigrationStatement, reason: str) -> StatementObservation:
        number = self._open.number if self._open else self._next()
        return not_run(statement, number, reason)

    def _skipped(self, statement: MigrationStatement) -> StatementObservation:
        state = RunState.NOT_RUN if self._session.dead else RunState.SKIPPED
        return StatementObservation(statement.number, state, self._number, reason=self._stopped)

    def _stop(self, reason: str) -> None:
        self._stopped = self._stopped or reason

    def _notes(self) -> tuple[str, ...]:
        unknown = [name for name in self._roles if name not in self._around.roles]
        return tuple(f'role "{name}" was made for the review: nobody knows whether it exists' for name in unknown)
