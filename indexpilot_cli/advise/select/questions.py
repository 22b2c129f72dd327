"""What to ask the planner around a selection: which candidates would help which case, from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.advise.costing import Pricer
from indexpilot_cli.advise.masks import Mask, group_by_member, members
from indexpilot_cli.advise.select.program import Option, Program, allowed


class Questions:
    """Questions as (case, set to price), the most promising first. ``groups`` are the kin per case."""

    def __init__(self, program: Program, pricer: Pricer, groups: Sequence[Mask]):
        self._charges = program.charges
        self._pricer = pricer
        self._now = pricer.pool.now
        self._bytes = dict(next((r.coefficients for r in program.rows if r.family == "budget"), ()))
        self._partial = sum(1 << n for n, c in enumerate(pricer.pool.candidates) if c.definition.predicate is not None)
        self.groups = _groups_by_case(groups, pricer)

    def steps(self, here: Mask, worth: float) -> Sequence[tuple[int, Mask]]:
        """Per case and group of candidates: what if the whole group were added? First those that some plan of the
        case used, then by the largest possible gain; none whose gain cannot reach ``worth``.

        Once every group was looked at alone, only those that some plan of the case ever used.
        """
        found = []
        for case in range(len(self.groups)):
            now, near = self._pricer.upper(case, here), here & self._pricer.cases[case].relevant
            used = self._used(case)
            for group in self.groups[case]:
                mask = near | group
                if (here != self._now and not group & used) or self._pricer.known(case, mask) is not None:
                    continue
                gain = self._charges[case].weight * (now - self._pricer.lower(case, mask))
                if gain > worth:
                    found.append((not group & used, -gain, case, mask))
        return [(case, mask) for _, _, case, mask in sorted(found)]

    def drops(self, here: Mask) -> Sequence[tuple[int, Mask]]:
        """Where a plan uses what is there and may go: the plan without it, and without it but with all its kin."""
        found = []
        for case in range(len(self.groups)):
            answer, relevant = self._pricer.known(case, here), self._pricer.cases[case].relevant
            for number in members(answer.used & self._now & here) if answer is not None else ():
                without = here & relevant & ~(1 << number)
                kin = (g for g in self.groups[case] if self._pricer.pool.kin(number) & g)
                found += [(case, without), *((case, without | group) for group in kin)]
        return found

    def finer(self, here: Mask, worth: float) -> Sequence[tuple[int, Mask]]:
        """Where a group helped: the group without the index that was used, its smallest index alone, and its
        smallest that holds every row.
        """
        found = []
        for case in range(len(self.groups)):
            now, near = self._pricer.upper(case, here), here & self._pricer.cases[case].relevant
            for group in self.groups[case]:
                answer = self._pricer.known(case, near | group)
                gain = self._charges[case].weight * (now - answer.cost) if answer is not None else 0.0
                if answer is not None and gain > worth:
                    rest = (near | group) & ~(answer.used & ~here)
                    found += [(gain, case, mask) for mask in (rest, *self._smallest(near, group))]
        return [(case, mask) for _, case, mask in sorted(found, key=lambda f: -f[0])]

    def _smallest(self, near: Mask, group: Mask) -> list[Mask]:
        """The neighbourhood with the smallest index of the group, and with the smallest that is not partial."""
        parts = [part for part in (group, group & ~self._partial) if part]
        return sorted({near | 1 << min(members(part), key=self._size) for part in parts})

    def _used(self, case: int) -> Mask:
        used = 0
        for answer in self._pricer.answers(case):
            used |= answer.used
        return used

    def _size(self, number: int) -> tuple[float, int, int]:
        """Bytes where a budget counts them, then keys; the number last, for a stable order."""
        return self._bytes.get(number, 0.0), len(self._pricer.pool.definition(number).keys), number


def _groups_by_case(groups: Sequence[Mask], pricer: Pricer) -> list[tuple[Mask, ...]]:
    """Per case the groups that matter there, each without what does not."""
    home = group_by_member(groups)
    found = []
    for case in pricer.cases:
        here = dict.fromkeys(home[number] for number in members(case.relevant & pricer.pool.new))
        found.append(tuple(group & case.relevant for group in here))
    return found


PAIRS_PER_CASE = 16
NOTICEABLE = 1e-3


class Guesses:
    """Optimistic options per case, corrected by what the planner said."""

    def __init__(self, pricer: Pricer, stand_ins: Sequence[Mask]):
        self._pricer = pricer
        self._stand_ins = stand_ins
        self._dead: set[tuple[int, Mask]] = set()
        self._refused: dict[tuple[int, int], Mask] = {}
        self._needed: Mask = -1

    def stand_ins(self, case: int, number: int) -> Mask:
        """Candidates believed to do this one's work for this case, of those that some plan needs anyway.

        Others would only be this one with more columns, in as many equal selections for the solver to tell apart.
        """
        return self._stand_ins[number] & self._needed & ~self._refused.get((case, number), 0)

    def options(self, plans: Sequence[Sequence[Option]]) -> list[list[Option]]:
        """The known plans of every case and the pairs that might be better."""
        self._needed = 0
        for known in plans:
            for option in known:
                self._needed |= option.present
        return [[*known, *self._pairs(case, known)] for case, known in enumerate(plans)]

    def _pairs(self, case: int, known: Sequence[Option]) -> list[Option]:
        now = self._pricer.upper(case, 0)
        least = min(o.cost for o in known)
        useful = sorted((o for o in known if o.present), key=lambda o: o.cost)
        found: dict[Mask, float] = {}
        for n, one in enumerate(useful):
            for other in useful[:n]:
                both = one.present | other.present
                # As if neither did any of the other's work: what both save, added up.
                cost = max(least, one.cost + other.cost - now)
                if cost < min(one.cost, other.cost) - NOTICEABLE * now and self._open(case, both):
                    found[both] = min(cost, found.get(both, cost))
        best = sorted(found.items(), key=lambda item: item[1])[:PAIRS_PER_CASE]
        return [Option(mask, 0, cost) for mask, cost in best]

    def _open(self, case: int, mask: Mask) -> bool:
        return (case, mask) not in self._dead and self._pricer.known(case, mask) is None

    def correct(self, options: Sequence[Sequence[Option]], selection: Mask) -> bool:
        """Give up the guesses that promised this selection less than the planner says; whether any was."""
        wrong = False
        for case, choices in enumerate(options):
            answer = self._pricer.known(case, selection)
            if answer is None:
                continue
            for option in choices:
                if option.cost < answer.cost * (1 - NOTICEABLE) and allowed(option, case, selection, self.stand_ins):
                    self._give_up(case, option, selection)
                    wrong = True
        return wrong

    @property
    def given_up(self) -> int:
        """How many guesses were given up so far: it grows with each that had not been before."""
        return len(self._dead) + sum(map(int.bit_count, self._refused.values()))

    def _give_up(self, case: int, option: Option, selection: Mask) -> None:
        missing = option.present & ~selection
        if not missing:
            self._dead.add((case, option.present))
        for number in members(missing):
            here = self._refused.get((case, number), 0)
            self._refused[case, number] = here | (self._stand_ins[number] & selection)
