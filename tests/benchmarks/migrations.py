"""How right ``schema-evolve check`` is, and squawk beside it, over the corpus whose truth was measured.

    python -m tests.benchmarks.migrations [--major 15 18] [--part corpus held_out] [--case NAME]... [--process]
                                          [--classes] [--misses FILE] [--squawk-only] [--dsn "dbname=corpus_base"]

*long block*  whether a file blocks reads or writes of a relation while it works on more than 5,000 rows. In a file
              that fails, only the statements before the one that fails count, for both sides.
*fails*       whether a statement of the file fails, as ``psql -f`` sends them.
*breaks*      whether a recorded statement fails after the migration (files that themselves fail left out).
*changes*     the same for names and types of result columns; no goal was set for it.

Precision is the share of alarms that are right, recall the share of true cases found. Squawk's rules are mapped to the
three questions as migrations_squawk says. ``--process`` runs the program once per file instead of calling the workflow;
``--dsn`` is a database that already holds the corpus's schema and data.
"""

import argparse
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import psycopg

from tests.benchmarks import migrations_corpus as corpus
from tests.benchmarks import migrations_squawk as squawk
from tests.benchmarks import migrations_tool as tool
from tests.benchmarks.selection import table as lines_of

LONG = ("long_blocks_writes", "long_blocks_reads")
QUESTIONS = ("long block", "fails", "breaks", "changes")
GOALS = {"long block": (0.97, 0.97), "fails": (0.97, 0.90), "breaks": (0.90, 0.90), "changes": (0.0, 0.0)}


@dataclass(frozen=True)
class Answer:
    """What somebody says of a case: yes or no by question; None where the question does not arise."""

    said: dict = field(default_factory=dict)
    note: str = ""


def truth_answer(truth):
    verdicts = [s["verdict"] for s in truth["statements"]]
    fails = truth["fails"] is not None
    said = {"long block": any(v in LONG for v in verdicts), "fails": fails, "breaks": None, "changes": None}
    if not fails:
        said |= {"breaks": bool(truth["breaks"]), "changes": bool(truth["changes"])}
    return Answer(said, explain(truth))


def explain(truth):
    parts = []
    if truth["fails"]:
        parts.append(f"statement {truth['fails']['statement']} fails {truth['fails']['sqlstate']}")
    for number, s in enumerate(truth["statements"], 1):
        if s["verdict"] in LONG:
            locks = ", ".join(f"{mode} on {name}" for name, mode in s["locks"].items())
            rows = ", ".join(f"{name} {count}" for name, count in s["rows"].items())
            parts.append(f"statement {number} {s['verdict']}: {locks}; rows {rows or '(time)'}")
    if truth["breaks"]:
        parts.append(f"breaks {truth['breaks']}")
    if truth["changes"]:
        parts.append(f"changes {truth['changes']}")
    return "; ".join(parts) or "nothing"


def tool_answer(seen, truth):
    """The tool's answer; verdicts of the statement that truly fails and of later ones do not count."""
    until = truth["fails"]["statement"] - 1 if truth["fails"] else len(truth["statements"])
    long = any(impact in LONG for impact in seen.impacts[:until])
    said = {"long block": long, "fails": seen.fails, "breaks": bool(seen.breaks), "changes": bool(seen.changes)}
    return Answer(said, seen.note)


def squawk_answer(messages, case, truth):
    until = truth["fails"]["statement"] - 1 if truth["fails"] else len(truth["statements"])
    ends = last_lines(case.text)
    shown = [rule for rule, line in messages if until and line <= ends[until - 1]]
    rules = {rule for rule, _ in messages}
    said = {
        "long block": bool(squawk.LONG & set(shown)),
        "fails": bool(squawk.FAILS & rules),
        "breaks": bool(squawk.BREAKS & rules),
        "changes": None,
    }
    return Answer(said, ", ".join(sorted(rules)) or "silent")


def last_lines(text):
    """The line (from 0) on which each statement ends."""
    ends, at = [], 0
    for statement in corpus.split(text):
        at = text.index(statement, at) + len(statement)
        ends.append(text.count("\n", 0, at))
    return ends


@dataclass
class Score:
    """Counts of one question."""

    right: int = 0
    false: int = 0
    missed: int = 0
    silent: int = 0

    def add(self, true, said):
        if true:
            self.right, self.missed = self.right + bool(said), self.missed + (not said)
        else:
            self.false, self.silent = self.false + bool(said), self.silent + (not said)

    @property
    def precision(self):
        return self.right / (self.right + self.false) if self.right + self.false else None

    @property
    def recall(self):
        return self.right / (self.right + self.missed) if self.right + self.missed else None

    def cells(self):
        figures = ["–" if x is None else f"{x:.3f}" for x in (self.precision, self.recall)]
        return [str(self.right + self.missed), *figures, str(self.false), str(self.missed)]


def score(truths, answers):
    """Score by question and by (question, class), and the misses as (case, question, true, said, answer)."""
    total, classes, misses = defaultdict(Score), defaultdict(Score), []
    for case, true in truths.items():
        answer = answers[case]
        for question in QUESTIONS:
            wanted, said = true.said[question], answer.said[question]
            if wanted is None or said is None:
                continue
            total[question].add(wanted, said)
            for name in case.classes:
                classes[question, name].add(wanted, said)
            if wanted != said:
                misses.append((case, question, wanted, said, answer))
    return total, classes, misses


def table(heading, rows):
    print("\n".join(lines_of([heading, *rows])))


def each_statement(measured, seen):
    """Score of breaks and changes by recorded statement instead of by file."""
    total = defaultdict(Score)
    for case, truth in measured.items():
        if truth["fails"]:
            continue
        for question, true in (("breaks", {int(n) for n in truth["breaks"]}), ("changes", set(truth["changes"]))):
            said = getattr(seen[case], question)
            for number in range(1, len(corpus.workload()) + 1):
                total[question].add(number in true, number in said)
    return total


def show(title, total):
    rows = [[q, *total[q].cells(), "/".join(f"{g:.2f}" for g in GOALS[q])] for q in QUESTIONS if q in total]
    print(f"\n{title}")
    table(["question", "true cases", "precision", "recall", "false alarms", "missed", "goal p/r"], rows)


def show_classes(classes):
    for question in QUESTIONS:
        rows = [[name, *s.cells()] for (q, name), s in sorted(classes.items()) if q == question and s.false + s.missed]
        if rows:
            print(f"\n{question}, by class (those with a miss)")
            table(["class", "true cases", "precision", "recall", "false alarms", "missed"], rows)


def miss_lines(misses, truths):
    for case, question, wanted, _, answer in misses:
        kind = "MISSED" if wanted else "FALSE"
        yield f"{kind} {question}: {case.name} [{', '.join(case.classes)}]"
        yield f"    truth: {truths[case].note}"
        yield f"    said:  {answer.note}"


def verdict_table(measured, seen):
    """How often each measured verdict of a statement got which answer."""
    counts = Counter()
    for case, truth in measured.items():
        for record, impact in zip(truth["statements"], seen[case].impacts, strict=False):
            if record["verdict"] and not impact.startswith("fails"):
                counts[record["verdict"], impact] += 1
    names = ["no_block", "brief_lock", "long_online", *LONG]
    print("\nverdicts of statements: measured (rows) and said (columns)")
    table(["measured", *names], [[a, *(str(counts[a, b]) for b in names)] for a in names])


def compare(dsn, major, part, asked, lines):
    """Run and print one part of the corpus on one version; misses are added to ``lines``."""
    cases = [c for c in corpus.cases(part) if not asked.case or c.name in asked.case]
    recorded = corpus.read_truth(major, part)
    stale = [c.name for c in cases if recorded.get(c.name, {}).get("sql") != c.digest]
    if stale:
        raise SystemExit(f"truth is older than {', '.join(stale)}: run tests.benchmarks.migrations_truth")
    measured = {c: recorded[c.name] for c in cases}
    truths = {c: truth_answer(t) for c, t in measured.items()}
    title = f"PostgreSQL {major}, {part}: {len(cases)} migrations"
    if squawk.program():
        messages = squawk.run(cases, major)
        answers = {c: squawk_answer(messages[c.name], c, measured[c]) for c in cases}
        show(f"{title} — {squawk.version()}", score(truths, answers)[0])
    if asked.squawk_only:
        return
    started = time.perf_counter()
    seen = tool.check_all(dsn, cases, process=asked.process)
    seconds = time.perf_counter() - started
    total, classes, misses = score(truths, {c: tool_answer(seen[c], measured[c]) for c in cases})
    show(f"{title} — indexpilot ({seconds:.0f} s)", total)
    show("the same by recorded statement", each_statement(measured, seen))
    verdict_table(measured, seen)
    if asked.classes:
        show_classes(classes)
    found = list(miss_lines(misses, truths))
    print("\n".join(found) or "no misses")
    lines += [f"# {title}", "", *found, ""]


def databases(asked):
    """Major version and a context that gives the DSN of a loaded database, for each asked."""
    if asked.dsn:
        with psycopg.connect(asked.dsn) as conn:
            yield conn.info.server_version // 10000, nullcontext(asked.dsn)
        return
    for major in asked.major:
        yield major, (nullcontext() if asked.squawk_only else started(major))


@contextmanager
def started(major):
    with corpus.loaded_server(major) as server:
        yield server.dsn(corpus.BASE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--major", type=int, nargs="+", default=[15, 18])
    parser.add_argument("--part", nargs="+", default=["corpus", "held_out"])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--process", action="store_true")
    parser.add_argument("--classes", action="store_true")
    parser.add_argument("--squawk-only", action="store_true")
    parser.add_argument("--misses")
    parser.add_argument("--dsn")
    asked = parser.parse_args()
    lines = []
    for major, opened in databases(asked):
        with opened as dsn:
            for part in asked.part:
                compare(dsn, major, part, asked, lines)
    if asked.misses:
        corpus.Path(asked.misses).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
