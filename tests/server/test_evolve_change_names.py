"""Names that need quotes through every change and its way back; a renamed column and the type change before it."""

import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.evolve.change.execute import finish_change
from tests.server.evolving_change import refuse

ODD = ('a"B. c', "ünï'cöde %s {x}", "n" * 63, '"')


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def table(ground, name, column):
    """A table of odd names with what hangs on its column, and more of it than a rewrite takes in place."""
    both = (quoted(name), quoted(column))
    ground.script(
        'CREATE SCHEMA IF NOT EXISTS "S.""x";'
        'CREATE TABLE "S.""x".{0} (id int PRIMARY KEY, {1} int NOT NULL DEFAULT 3 CHECK ({1} > 0));'
        'INSERT INTO "S.""x".{0} SELECT i, i FROM generate_series(1, 400) i;'
        'CREATE INDEX ON "S.""x".{0} ({1}, id); COMMENT ON COLUMN "S.""x".{0}.{1} IS \'it\'\'s "x"\''.format(*both)
    )
    return f'"S.""x".{both[0]}'


def test_every_change_and_its_way_back(plain):
    # All tables in one database, so that one dump after each kind of change speaks for all of them.
    where = {name: table(plain, name, name) for name in ODD}
    before, values = plain.dump(), {name: contents(plain, where[name], name) for name in ODD}
    # A rewrite goes by names of its own, made of the column's: the one that is cut and the one of all kinds of letters.
    for kind, names, more in (
        ("add_column", ODD, {"type": "uuid", "default": "gen_random_uuid()", "not_null": True}),
        ("rename_column", ODD, {}),
        ("alter_type", (ODD[0], ODD[2]), {"type": "bigint", "online": True, "small_bytes": 0}),
        ("alter_type", ODD, {"type": "bigint"}),
    ):
        for name in names:
            column = "new " + name[:20] if kind == "add_column" else name
            new = {"new_name": "x" + name[:20]} if kind == "rename_column" else {}
            assert plain.change(kind, where[name], column, **more, **new).exit_code == 0
            assert plain.rollback().exit_code == 0
        # A column that was replaced comes back as the last one, here as the second of two.
        assert sorted(plain.dump().split()) == sorted(before.split()), kind
    for name in ODD:
        assert plain.change("drop_column", where[name], name, save=True, force=True).exit_code == 0
        assert plain.rollback().exit_code == 0
    assert {name: contents(plain, where[name], name) for name in ODD} == values


def contents(ground, where, column):
    return ground.sql(f"SELECT id, {quoted(column)} FROM {where} ORDER BY id")


def test_a_renamed_column_and_its_type_change_agree(plain):
    old, new = 'A b"', 'z"z'
    where = table(plain, "o", old)

    def columns():
        rows = plain.sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attname",
            where,
        )
        return [name for (name,) in rows]

    def finish(column, **more):
        return finish_change(plain.request("alter_type", where, column, **more), Silent(), refuse).exit_code

    first = plain.change("alter_type", where, old, type="bigint", online=True, small_bytes=0).result.id
    assert plain.change("rename_column", where, old, new_name=new).exit_code == 0
    assert columns() == sorted(["id", new, f"{new}_indexpilot_old"])
    assert finish(new, execute=False) == 0
    with pytest.raises(RefusedError, match="no online change"):
        finish(old, execute=False)
    assert plain.rollback().exit_code == 0 and finish(old, execute=False) == 0
    assert plain.change("rename_column", where, old, new_name=new).exit_code == 0
    assert plain.rollback(f"M-{first}").exit_code == 0
    assert columns() == sorted(["id", new])
    assert plain.change("alter_type", where, new, type="bigint", online=True, small_bytes=0).exit_code == 0
    assert plain.change("rename_column", where, new, new_name="last").exit_code == 0
    assert finish("last") == 0 and columns() == ["id", "last"]


def test_a_refusal_by_the_window_names_its_opening(plain):
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    opens = datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(hours=2)
    window = f"{opens:%H:%M}-{opens + timedelta(minutes=30):%H:%M} Asia/Tokyo"
    with pytest.raises(RefusedError) as caught:
        plain.change("add_column", "plain", "c", type="int", window=window)
    assert f"it opens {opens:%Y-%m-%d %H:%M} JST" in caught.value.message
