"""L: others wait for long. The verdict decides that; the statement's actions only say which hazard it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.evolve.review.offline.columns import rewrites, written
from indexpilot_cli.evolve.review.offline.state import State
from indexpilot_cli.evolve.review.offline.types import Change
from indexpilot_cli.evolve.review.rules.forms import safer
from indexpilot_cli.evolve.review.rules.review import Case
from indexpilot_cli.evolve.review.rules.words import listed, span, table_size
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.sql.ddl.action import Act, Action

_READS = frozenset({WorkKind.VERIFY, WorkKind.SCAN, WorkKind.VALIDATE_FOREIGN_KEY})
_BUILDS = frozenset({WorkKind.BUILD_INDEX})
_REWRITES = frozenset({WorkKind.REWRITE})
_VERBS = ("rewrites", "refreshes", "checks", "validates", "builds", "rebuilds", "changes", "reads")
_ROWS = frozenset(
    {Act.SELECT, Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE, Act.COPY, Act.ANALYZE, Act.CREATE_TABLE_AS}
)
_CONSTRAINTS = {
    "unique": ("L04", _BUILDS),
    "primary_key": ("L04", _BUILDS),
    "exclude": ("L04", _BUILDS),
    "check": ("L20", _READS),
    "foreign_key": ("L21", _READS),
    "not_null": ("L14", _READS),
}
_SIMPLE = {
    Act.CREATE_INDEX: ("L01", _BUILDS),
    Act.REINDEX: ("L03", _BUILDS),
    Act.SET_NOT_NULL: ("L14", _READS),
    Act.SET_EXPRESSION: ("L15", _REWRITES),
    Act.VALIDATE_CONSTRAINT: ("L22", _READS),
    Act.ALTER_DOMAIN: ("L23", _READS),
    Act.ATTACH_PARTITION: ("L30", _READS | _BUILDS),
    Act.CREATE_PARTITION: ("L31", _READS),
    Act.VACUUM: ("L33", _REWRITES),
    Act.CLUSTER: ("L33", _REWRITES),
    Act.SET_LOGGED: ("L33", _REWRITES),
    Act.SET_ACCESS_METHOD: ("L33", _REWRITES),
    Act.SET_TABLESPACE: ("L33", _REWRITES),
    Act.REFRESH: ("L34", frozenset({WorkKind.REFRESH, WorkKind.BUILD_INDEX, WorkKind.REWRITE})),
}


def blocking(case: Case) -> Iterator[Finding]:
    """What keeps others waiting, one finding for each hazard; nothing for a lock that is brief."""
    if case.verdict.impact is Impact.LONG_ONLINE:
        yield from _bulk(case)
    elif case.long:
        found = causes(case)
        rewrites = any(w.kind is WorkKind.REWRITE for w in case.seen.work)
        for hazard, action in found.items():
            made = case.with_lock(case.finding(hazard, _message(case, hazard)))
            instead = safer(hazard, action, case) if action is not None else ""
            yield replace(made, instead=instead, rewrites=rewrites)
    if case.verdict.queue and case.verdict.impact is not Impact.FAILS:
        yield _queue(case)


def causes(case: Case) -> dict[str, Action | None]:
    """Hazard ids with the action to blame; None where an earlier statement's lock is to blame, or nobody can tell."""
    kinds = frozenset(w.kind for w in case.seen.work if not w.online)
    found: dict[str, Action | None] = {}
    for action in sorted(case.actions, key=lambda a: not writes_anew(a, case)):
        cause = cause_of(action, kinds)
        if cause is not None and not case.review.is_new(action):
            found.setdefault(cause, action)
    return _without_guesses(found, case) if found else {_inherited(case): None}


def writes_anew(action: Action, case: Case) -> bool:
    """Whether an action rewrites its table by the manual: where several could have, these are to blame first."""
    state = State(case.review.catalog, case.review.catalog.version if case.review.catalog else 0)
    if action.kind is Act.ALTER_TYPE:
        return written(action, state) is Change.TABLE
    return action.kind is Act.ADD_COLUMN and rewrites(action, state)


def _without_guesses(found: dict[str, Action | None], case: Case) -> dict[str, Action | None]:
    """One cause for each kind of work: the manual decides where the evidence fits several."""
    left = dict(found)
    if "L12" in left:
        left.pop("L13", None)
    if {"L10", "L12"} <= left.keys():
        sure = {h: a for h, a in left.items() if h in ("L10", "L12") and a is not None and writes_anew(a, case)}
        left = {h: a for h, a in left.items() if h not in ("L10", "L12") or not sure or h in sure}
    if len(left) > 1 and not any(w.rebuilt for w in case.seen.work):
        left.pop("L11", None)
    return left


def cause_of(action: Action, kinds: frozenset[WorkKind]) -> str | None:
    """The hazard of an action that does one of these kinds of work, None when it can do none of them."""
    if action.kind is Act.ALTER_TYPE:
        return "L10" if WorkKind.REWRITE in kinds else "L11" if kinds & (_READS | _BUILDS) else None
    if action.kind is Act.ADD_COLUMN:
        if WorkKind.REWRITE in kinds and fills(action):
            return "L12"
        return None
    if action.kind is Act.ADD_CONSTRAINT:
        return _constraint(action, kinds)
    if action.kind is Act.DROP_INDEX:
        return "L02" if not action.has("concurrently") and kinds else None
    if action.kind is Act.DETACH_PARTITION:
        return "L32" if not action.has("concurrently") and kinds else None
    hazard, wanted = _SIMPLE.get(action.kind, ("", frozenset()))
    return hazard if hazard and kinds & wanted and not action.has("concurrently") else None


def fills(action: Action) -> bool:
    """Whether a new column may need a value of its own in every row."""
    given = ("default", "generated_stored", "identity", "serial")
    builtin = (action.type or "").partition("(")[0].strip().lower() in _PLAIN
    return any(action.has(word) for word in given) or not builtin


_PLAIN_TEXT = """
    bigint int integer smallint text varchar char boolean bool numeric real float float8 date timestamp timestamptz
    time uuid json jsonb bytea int2 int4 int8 float4 inet cidr interval
"""
_PLAIN = frozenset(_PLAIN_TEXT.split())


def _constraint(action: Action, kinds: frozenset[WorkKind]) -> str | None:
    if action.has("not_valid") or action.has("not_enforced"):
        return None
    if action.has("inline"):
        return "L13" if kinds & (_READS | _BUILDS) else None
    if action.has("using_index"):
        return "L05" if kinds & _READS else None
    hazard, wanted = _CONSTRAINTS.get(action.constraint or "", ("", frozenset()))
    return hazard if kinds & wanted else None


def _inherited(case: Case) -> str:
    """Of work that is harmless by itself the earlier lock is to blame; of work nobody can name the whole."""
    if not case.actions or not all(a.kind in _ROWS or a.kind is Act.VALIDATE_CONSTRAINT for a in case.actions):
        return "L37"
    earlier = [c for c in case.review.together[case.seen.transaction] if c is not case]
    locked = any(a.kind is Act.LOCK for c in earlier for a in c.actions)
    return "L36" if locked else "L35" if earlier else "L37"


def _message(case: Case, hazard: str) -> str:
    worst = case.verdict.blocked[0] if case.verdict.blocked else None
    work = _work(case.verdict.work) or "works for long"
    if worst is None:
        return f"{case.hidden}{work} while others wait"
    who = "reads and writes" if worst.reads else "writes"
    where = table_size(worst) if case.review.catalog is not None else f"{worst.table} (of unknown size)"
    work = work.replace(str(worst.table), where, 1) if str(worst.table) in work else f"{work}, with {where} locked"
    since = ", under the lock of an earlier statement" if hazard in ("L22", "L35", "L36") else ""
    return f"{case.hidden}{work}{since}: {who} wait {span(case.verdict.duration)}".rstrip()


def _work(clauses: tuple[str, ...]) -> str:
    """The clauses of a verdict, gravest first, rebuilt indexes counted."""
    ordered = sorted(
        clauses, key=lambda c: next((n for n, verb in enumerate(_VERBS) if c.startswith(verb)), len(_VERBS))
    )
    rebuilt = [c for c in ordered if c.startswith("rebuilds an index")]
    if len(rebuilt) < 2:
        return listed(ordered, 3)
    rest = [c for c in ordered if c not in rebuilt]
    return listed((*rest, f"rebuilds {len(rebuilt)} indexes" + ("" if rest else f" of {_of(rebuilt[0])}")), 3)


def _of(clause: str) -> str:
    return clause.removeprefix("rebuilds an index of ").partition(" (")[0]


def _bulk(case: Case) -> Iterator[Finding]:
    changes = [w for w in case.seen.work if w.kind is WorkKind.MODIFY and w.relation.existed]
    named = any(str(w.relation.name) in clause for w in changes for clause in case.verdict.work)
    if changes and named and not any(a.kind is Act.COPY for a in case.actions):
        worst = listed(case.verdict.work, 2)
        time = span(case.verdict.duration)
        text = f"{case.hidden}{worst} in one go{' ' * bool(time)}{time}: its rows stay locked until the end"
        yield replace(case.finding("L38", text), duration=case.verdict.duration)


def _queue(case: Case) -> Finding:
    first = max(case.verdict.queue, key=lambda q: q.seconds)
    text = (
        f"pid {first.pid} ({first.user}) has an open transaction on {first.table} for {first.seconds:.0f} s: "
        "the statement would wait for it, and everybody behind the statement"
    )
    return case.with_lock(replace(case.finding("L39", text), table=first.table))
