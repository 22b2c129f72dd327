"""A catalog of thousands of tables is asked for one of them thousands of times."""

from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.names import QualifiedName


class Counted(QualifiedName):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        Counted.compared += 1
        return super().__eq__(other)

    __hash__ = QualifiedName.__hash__


def test_a_table_is_found_without_a_walk():
    names = [Counted("public", f"t{number}") for number in range(300)]
    catalog = Catalog(150000, "d", tuple(Table(name, "r", ()) for name in names))
    assert all(catalog.table(name).name is name for name in names)
    assert Counted.compared < 2 * len(names)
    assert catalog.table(QualifiedName("public", "none")) is None


def test_what_was_looked_up_is_no_part_of_the_catalog():
    table = Table(QualifiedName("public", "t"), "r", ())
    catalog = Catalog(150000, "d", (table,))
    fresh = replace(catalog)
    assert catalog.table(table.name) is table
    assert catalog == fresh and to_json(catalog) == to_json(fresh)
    assert replace(catalog, tables=()).table(table.name) is None
    assert from_json(Catalog, to_json(catalog)) == catalog


def test_children_are_found_without_a_walk():
    """Each of thousands of tables is asked for what hangs below it, and most have nothing."""
    names = [Counted("public", f"t{number}") for number in range(300)]
    whole, base = names[0], names[1]
    parts = [Table(name, "r", (), parent=whole, is_partition=True) for name in names[2:150]]
    heirs = [Table(name, "r", (), parent=base) for name in names[150:]]
    catalog = Catalog(150000, "d", (Table(whole, "p", ()), Table(base, "r", ()), *parts, *heirs))
    assert catalog.children_of(names[7]) == ()
    Counted.compared = 0
    found = [catalog.children_of(name) for name in names]
    assert Counted.compared < 2 * len(names)
    assert [list(found[0]), list(found[1])] == [parts, heirs] and not any(found[2:])
