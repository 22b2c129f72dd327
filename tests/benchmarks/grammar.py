"""Statements from a grammar, over a schema of every kind of type: ``statements(seed, count)``, the schema first.

Not all of them are valid: types are mixed now and then, and values are odd. The same seed gives the same statements.
"""

import random

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad', 'b"r{a}ce');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE plain (id bigint PRIMARY KEY, a int, b int NOT NULL, t text, ts timestamptz, n numeric, f float8,
  ok boolean);
CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY, m mood, p positive, x pair, j jsonb, js json, arr int[],
  ta text[], r int4range, tr tstzrange, ip inet, net cidr, u uuid, by bytea, bt bit(4), iv interval, d date,
  tm time, mac macaddr,
  pt point, bx box, v tsvector, nm name, c char(9), "Quoted Col" text, "{brace}" int, xid8 xid8, mny money);
CREATE TABLE parted (id int, k int, day date NOT NULL, t text) PARTITION BY RANGE (day);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
CREATE TABLE child (extra int) INHERITS (plain);
CREATE TABLE empty_one (a int, b text);
CREATE VIEW seen AS SELECT a, b, t, count(*) OVER (PARTITION BY a) AS n FROM plain WHERE b > 3;
CREATE MATERIALIZED VIEW kept AS SELECT a, count(*) AS n FROM plain GROUP BY a;
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i * 2';
CREATE FUNCTION some_rows(i int) RETURNS SETOF plain LANGUAGE sql STABLE AS 'SELECT * FROM plain WHERE a = i';
INSERT INTO plain SELECT g, g % 100, g % 7, 'text ' || g % 50, timestamptz '2025-01-01Z' + g * interval '1 h', g / 3.0,
  random(), g % 3 = 0 FROM generate_series(1, 3000) g;
INSERT INTO odd (m, p, j, arr, ta, r, ip, u, d, v, nm, c, "Quoted Col", "{brace}")
  SELECT 'ok', g, jsonb_build_object('k', g), array[g, g % 9], array['x' || g], int4range(g, g + 5),
  ('10.0.0.' || g % 250)::inet, md5(g::text)::uuid,
  date '2025-01-01' + g % 300, to_tsvector('simple', 'w' || g), 'n', 'c', 'q', g FROM generate_series(1, 500) g;
INSERT INTO parted SELECT g, g % 9, date '2024-12-01' + g % 500, 't' FROM generate_series(1, 900) g;
"""
COLUMNS = {
    "plain": {
        **{"id": "n", "a": "n", "b": "n", "n": "n", "f": "n", "t": "s", "ts": "d", "ok": "b"},
    },
    "child": {"id": "n", "a": "n", "extra": "n", "t": "s", "ok": "b"},
    "odd": {
        **{
            "id": "n",
            "p": "n",
            '"{brace}"': "n",
            '"Quoted Col"': "s",
            "c": "s",
            "nm": "s",
            "d": "d",
            "m": "o",
            "x": "o",
        },
        **{"j": "j", "js": "j", "arr": "a", "ta": "a", "r": "r", "tr": "r", "ip": "i", "net": "i", "u": "o", "by": "o"},
        **{"bt": "o", "iv": "o", "tm": "o", "mac": "o", "pt": "p", "bx": "p", "v": "v", "xid8": "o", "mny": "o"},
    },
    "parted": {"id": "n", "k": "n", "day": "d", "t": "s"},
    "empty_one": {"a": "n", "b": "s"},
    "seen": {"a": "n", "b": "n", "n": "n", "t": "s"},
    "kept": {"a": "n", "n": "n"},
}
VALUES = {
    "n": (
        "0",
        "7",
        "-1",
        "NULL",
        "2147483647",
        "1e300",
        "'5'",
        "$1",
        "1.5",
        "77.0",
        "'nan'",
        "(SELECT 3)",
        "9223372036854775808",
    ),
    "s": (
        "'text 7'",
        "''",
        "'%'",
        "'a_b%'",
        r"E'\\x{'",
        "$1",
        "'it''s'",
        "U&'\\0441'",
        "'{'",
        "$q$dollar$q$",
        "NULL",
        "'\u2028é'",
    ),
    "d": ("now()", "'2025-06-01'", "current_date", "'infinity'", "now() - interval '1 day'", "$1", "'epoch'", "NULL"),
    "b": ("true", "false", "NULL", "$1"),
    "j": ("'{\"k\": 3}'", "'[]'", "'null'", "$1", '\'{"a": {"b": [1, {"c": null}]}}\''),
    "a": ("array[3]", "'{}'", "'{1,NULL}'", "$1"),
    "r": ("'[1,5)'", "'empty'", "'(,)'", "$1"),
    "i": ("'10.0.0.0/8'", "'::1'", "$1"),
    "o": ("'ok'", "NULL", "$1", "'08:00'", "row(1, 'x')", "'(1,2)'"),
    "p": ("point(1, 2)", "'((0,0),(1,1))'", "$1"),
    "v": ("to_tsquery('w7')", "'w7'", "plainto_tsquery('simple', 'w7 w8')"),
}
OPERATORS = {
    **dict.fromkeys("ndo", ("=", "<", ">=", "<>", "IS DISTINCT FROM", "!=")),
    **{
        "s": ("=", "LIKE", "ILIKE", "~", "<", "!~*", "SIMILAR TO", "^@", "NOT LIKE"),
        "b": ("=", "IS NOT DISTINCT FROM"),
    },
    **{"j": ("@>", "?", "@?", "@@", "<@", "?|"), "a": ("@>", "&&", "=", "<@"), "r": ("@>", "&&", "<<", "-|-")},
    **{"i": ("<<", ">>=", "=", "&&"), "p": ("<->", "<@", "~=", "&&"), "v": ("@@",)},
}
JOINS = ("JOIN", "LEFT JOIN", "FULL JOIN", "CROSS JOIN", "NATURAL JOIN", ",")
GROUPINGS = (
    "{0}",
    "ROLLUP ({0}, {1})",
    "CUBE ({0})",
    "GROUPING SETS (({0}), ({0}, {1}), ())",
    "1",
    "DISTINCT {0}, ROLLUP ({1})",
)


class Grammar:
    """One source of statements."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.depth = 0

    def pick(self, *options):
        return self.rng.choice(options)

    def some(self, part):
        return self.rng.random() < part

    def column(self, table, alias, kind=None):
        names = [n for n, k in COLUMNS[table].items() if kind is None or k == kind] or list(COLUMNS[table])
        name = self.rng.choice(names)
        return f"{alias}.{name}" if alias else name, COLUMNS[table][name]

    def expression(self, table, alias, kind=None):
        name, own = self.column(table, alias, kind)
        if self.some(0.7):
            return name, own
        forms = {
            "n": (
                f"{name} + 10",
                f"abs({name})",
                f"{name} % 5",
                f"-{name}",
                f"twice({name}::int)",
                f"{name}::text",
                f"1 / {name}",
            ),
            "s": (
                f"lower({name})",
                f"left({name}, 3)",
                f"{name} || ''",
                f'{name} COLLATE "C"',
                f"md5({name})",
                f"{name}::int",
            ),
            "d": (
                f"date_trunc('day', {name})",
                f"{name}::date",
                f"extract(year FROM {name})",
                f"{name} AT TIME ZONE 'UTC'",
            ),
            "j": (f"{name} ->> 'k'", f"({name} -> 'a' ->> 'b')::int", f"{name} #>> '{{a,b}}'"),
            "a": (f"{name}[1]", f"cardinality({name})", f"unnest({name})"),
        }
        return self.rng.choice(forms.get(own, (f"coalesce({name}, {name})", f"{name}::text"))), self.pick(own, "s", "n")

    def condition(self, table, alias):
        self.depth += 1
        try:
            return self._condition(table, alias)
        finally:
            self.depth -= 1

    def _condition(self, table, alias):
        roll = self.rng.random()
        if roll < 0.2 and self.depth < 5:
            return f"({self.condition(table, alias)} {self.pick('AND', 'OR')} {self.condition(table, alias)})"
        if roll < 0.25 and self.depth < 5:
            return f"NOT ({self.condition(table, alias)})"
        left, kind = self.expression(table, alias)
        value = self.rng.choice(VALUES[kind])
        if roll < 0.35:
            return self.pick(
                f"{left} IN ({value}, {self.rng.choice(VALUES[kind])})",
                f"{left} = ANY ({self.pick(chr(36) + '1', 'ARRAY[1, 2]')})",
                f"{left} BETWEEN {value} AND {self.rng.choice(VALUES[kind])}",
                f"{left} IS {self.pick('NULL', 'NOT NULL')}",
                f"({left}, 1) {self.pick('<', '=')} ({value}, 2)",
                f"{left} NOT IN ({value})",
            )
        if roll < 0.45 and self.depth < 4:
            inner, _ = self.column("plain", "s")
            return self.pick(
                f"EXISTS (SELECT FROM plain s WHERE {inner} = {left} AND {self.condition('plain', 's')})",
                f"{left} IN ({self.select(few=True)})",
                f"{left} > ALL (SELECT {inner} FROM plain s)",
            )
        return f"{left} {self.rng.choice(OPERATORS[kind])} {value}"

    def source(self, place):
        alias, roll = f"q{place}", self.rng.random()
        table = self.rng.choice(list(COLUMNS))
        if roll < 0.1 and self.depth < 3:
            self.depth += 1
            text = f"({self.select()}) AS {alias}"
            self.depth -= 1
            return text, table, alias
        if roll < 0.15:
            return f"some_rows({self.pick('3', chr(36) + '1')}) AS {alias}", "plain", alias
        if roll < 0.2:
            return (
                f"{table} AS {alias} TABLESAMPLE SYSTEM (10)"
                if table in ("plain", "odd")
                else f"ONLY {table} AS {alias}",
                table,
                alias,
            )
        return f"{table} AS {alias}", table, alias

    def select(self, few=False):
        sources = [self.source(f"{self.depth}{n}") for n in range(1 if few else self.pick(1, 1, 1, 2, 2, 3))]
        text, table, alias = sources[0]
        for other, name, its in sources[1:]:
            join = self.rng.choice(JOINS)
            one, kind = self.column(table, alias)
            same, _ = self.column(name, its, kind)
            on = f" ON {one} = {same}" if "JOIN" in join and "NATURAL" not in join and "CROSS" not in join else ""
            text += f" {join} {other}{on}"
        listed = [self.expression(t, a)[0] for _, t, a in self.rng.choices(sources, k=1 if few else self.pick(1, 2, 3))]
        group = order = having = ""
        if self.some(0.2) and not few:
            keys = (listed[0], listed[-1])
            group = " GROUP BY " + self.rng.choice(GROUPINGS).format(*keys)
            listed = [
                listed[0],
                self.pick("count(*)", "sum(1) FILTER (WHERE true)", "array_agg(1 ORDER BY 1)", "max(1)"),
            ]
            having = " HAVING count(*) > 1" if self.some(0.3) else ""
        elif self.some(0.1) and not few:
            listed.append(f"row_number() OVER (PARTITION BY {listed[0]} ORDER BY {listed[-1]} DESC NULLS LAST)")
        if self.some(0.4):
            order = (
                f" ORDER BY {self.expression(table, alias)[0]} {self.pick('', 'DESC', 'ASC NULLS FIRST', 'USING <')}"
            )
        where = f" WHERE {self.condition(table, alias)}" if self.some(0.85) else ""
        for _, name, its in sources[1:]:
            where += f"{' AND' if where else ' WHERE'} {self.condition(name, its)}" if self.some(0.5) else ""
        limit = self.pick("", "", " LIMIT 10", " LIMIT $1 OFFSET 5", " FETCH FIRST 3 ROWS ONLY", " LIMIT ALL")
        head = "" if group else self.pick("", "", "", "", "DISTINCT ", f"DISTINCT ON ({listed[0]}) ")
        lock = "" if group or head else self.pick("", "", "", "", " FOR UPDATE SKIP LOCKED", " FOR SHARE")
        if head and self.some(0.9):
            order = f" ORDER BY {listed[0]}"
        return f"SELECT {head}{', '.join(listed)} FROM {text}{where}{group}{having}{order}{limit}{lock}"

    def write(self):
        table = self.pick("plain", "odd", "parted", "empty_one", "child")
        (name, kind), where = self.column(table, ""), f" WHERE {self.condition(table, '')}" if self.some(0.9) else ""
        value = self.rng.choice(VALUES[kind])
        back = self.pick("", " RETURNING *", f" RETURNING {name}")
        return self.pick(
            f"UPDATE {table} SET {name} = {value}{where}{back}",
            f"DELETE FROM {table}{where}{back}",
            f"INSERT INTO {table} ({name}) VALUES ({value}), ({value}) ON CONFLICT DO NOTHING{back}",
            f"INSERT INTO {table} ({name}) {self.select(few=True)}",
            f"UPDATE {table} AS x SET {name} = {value} FROM plain y WHERE y.a = 3 AND x.{name} = {value}",
            f"DELETE FROM {table} USING plain y WHERE y.a = 3{back}",
            f"MERGE INTO {table} x USING (VALUES (1, 2)) AS s (k, l) ON x.{name} = s.k WHEN MATCHED THEN DELETE"
            f" WHEN NOT MATCHED THEN INSERT ({name}) VALUES ({value})",
            f"TRUNCATE {table}",
        )

    def statement(self):
        roll = self.rng.random()
        if roll < 0.15:
            return self.write()
        if roll < 0.22:
            inner = self.pick(self.write(), self.select())
            head = f"WITH {self.pick('', 'RECURSIVE ')}w AS {self.pick('', 'MATERIALIZED ')}({inner})"
            return f"{head} SELECT * FROM w, {self.source('w')[0]}"
        if roll < 0.28:
            both = self.pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT")
            return f"{self.select(few=True)} {both} {self.select(few=True)}"
        if roll < 0.3:
            begin = self.pick("EXPLAIN ", "PREPARE p AS ", "DECLARE c CURSOR FOR ", "COPY (", "CREATE TABLE z AS ")
            return begin + self.select()
        text = self.select()
        if roll < 0.33:  # broken: cut, doubled, or with something in it that no text should have
            place = self.rng.randrange(len(text))
            return self.pick(
                text[:place],
                text[:place] + text,
                text[:place] + self.pick("{", "}", "%s", "\x01", "/*", "'") + text[place:],
            )
        return self.pick("", "", "", "/* app: {x} */ ") + text


def statements(seed, count):
    """``count`` statements, different texts."""
    grammar, found = Grammar(seed), {}
    while len(found) < count:
        found[grammar.statement()] = None
    return list(found)
