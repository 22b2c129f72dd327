r"""Files for psql: what its commands decide is followed, what only a running psql knows is an error with its place."""

import pytest

from indexpilot_cli.evolve.review.migration import UnreadableMigration, read_migration
from indexpilot_cli.sql.ddl.action import Act


def sqls(text, path="m.sql"):
    return [s.sql for s in read_migration(path, text).statements]


def refused(text, path="m.sql"):
    with pytest.raises(UnreadableMigration) as caught:
        read_migration(path, text)
    return [(p.path, p.line, p.message) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\set t orders\nALTER TABLE :t ADD a int;", ["ALTER TABLE orders ADD a int"]),
        ('\\set t \'my "t"\'\nALTER TABLE :"t" ADD a int;', ['ALTER TABLE "my ""t""" ADD a int']),
        ("\\set v 'it''s'\nSELECT :'v', ':v', \":v\", $$:v$$;", ["SELECT 'it''s', ':v', \":v\", $$:v$$"]),
        ("\\set a x\n\\set b :a y :a\nSELECT ':b', :'b';", ["SELECT ':b', 'xyx'"]),
        ("\\set n 5\nSELECT 1::int, a[1:2], :n -- :n\n;", ["SELECT 1::int, a[1:2], 5"]),
        ("\\set n 5 \\\\ SELECT :n;", ["SELECT 5"]),
        ("\\set n 5\n\\unset n\nSELECT :{?n};", ["SELECT FALSE"]),
        ("\\set n 5\nSELECT :{?n};", ["SELECT TRUE"]),
        ("\\set a 1\n\\set d pre:'a':\"a\"x\nSELECT :'d';", ["SELECT 'pre''1''\"1\"x'"]),
        ("\\set a 1\n\\set c ':a + 1'\nSELECT :c, :'c';", ["SELECT 1 + 1, ':a + 1'"]),
        ("\\set a 5;\nSELECT :a\nSELECT 2;", ["SELECT 5", "SELECT 2"]),
        ("\\set q 'SELECT 1; SELECT 2'\n:q;", ["SELECT 1", "SELECT 2"]),
        ("\\if :{?VERBOSITY}\nSELECT 1;\n\\endif\n\\if :{?no_such}\nSELECT 2;\n\\endif", ["SELECT 1"]),
        ("\\set on 1\n\\if :on\nSELECT 1;\n\\else\nSELECT 2;\n\\endif", ["SELECT 1"]),
        ("\\if off\nSELECT 1;\n\\elif yes\nSELECT 2;\n\\elif yes\nSELECT 3;\n\\else\nSELECT 4;\n\\endif", ["SELECT 2"]),
        ("\\if :{?x}\n\\i nowhere.sql\n\\! rm\n\\if :y\n\\endif\n\\else\nSELECT 2;\n\\endif", ["SELECT 2"]),
        (
            "SELECT a\n\\if false\n, b\n\\else\n, c\n\\endif\nFROM t;",
            ["SELECT a\n         \n   \n     \n, c\n      \nFROM t"],
        ),
        ("SELECT 1;\n\\q\nSELECT nonsense here", ["SELECT 1"]),
        ("SELECT 1 \\r\nSELECT 2;", ["SELECT 2"]),
        ("SELECT 1;\n\\g\n", ["SELECT 1", "SELECT 1"]),
        (
            "\\restrict aB1\nSELECT 1;\n\\unrestrict aB1\n\\dt+ public.*\n\\x \\t\n\\pset pager off\n\\timing",
            ["SELECT 1"],
        ),
        ("\\copy t (a, b) from 'x; y.csv' with (format csv)\n", ["COPY t (a, b) FROM STDIN with (format csv)"]),
        ("\\copy (select a from t) to program 'cat > x'", ["COPY (select a from t) TO STDOUT"]),
        ("\\copy t from stdin\n1\n2\n\\.\nSELECT 1;", ["COPY t FROM STDIN", "SELECT 1"]),
    ],
)
def test_what_a_file_decides(text, expected):
    assert sqls(text) == expected


@pytest.mark.parametrize(
    "command",
    [
        "SELECT 'DROP TABLE x' \\gexec",
        "\\c other",
        "\\connect - admin",
        "\\! psql -c 'drop table t'",
        "\\set SINGLELINE on",
        "\\if :ON_ERROR_STOP\n\\endif",
        "\\i nowhere.sql",
        "\\ir nowhere.sql",
        "\\i",
        "\\if `date`\n\\endif",
        "\\if :unset\n\\endif",
        "\\if maybe\n\\endif",
        "\\if true",
        "\\else",
        "\\endif",
        "\\frobnicate 7",
        "\\lo_import x",
        "\\password joe",
        "\\set AUTOCOMMIT off",
        "\\set x `date`\nSELECT :x;",
        "\\prompt 'Who? ' who\nSELECT :'who';",
        "SELECT 1 AS id \\gset\nSELECT :id;",
        "SELECT :'DBNAME';",
        "SELECT $1 \\bind 5 \\g",
        "\\e",
        "/* no end\nSELECT 2;",
        "\\copy t",
    ],
)
def test_what_only_a_running_psql_knows_is_an_error_with_its_place(command):
    line = 4 if command.startswith(("\\set x", "\\prompt", "SELECT 1 AS")) else 3
    found = refused(f"SELECT 1;\n\n{command}\n")
    assert [(path, at) for path, at, _ in found] == [("", line)], found


def test_files_are_read_where_they_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "all.sql").write_text("\\set t orders\nSELECT 1;\n\\i sub/a.sql\nSELECT 5;\n")
    (tmp_path / "sub/a.sql").write_text(
        "SELECT 2;\n-- indexpilot: ignore L01 -- why\nALTER TABLE :t ADD a int;\n\\ir b.sql\n"
    )
    (tmp_path / "sub/b.sql").write_text("\n\nSELECT\n  4")
    migration = read_migration("all.sql", (tmp_path / "all.sql").read_text())
    found = [(s.sql.split()[-1], s.line, s.source) for s in migration.statements]
    assert found == [
        ("1", 2, None),
        ("2", 3, ("sub/a.sql", 1, 1)),
        ("int", 3, ("sub/a.sql", 3, 1)),
        ("4", 3, ("sub/b.sql", 3, 1)),
        ("5", 4, None),
    ]
    assert [i.hazard for i in migration.statements[2].ignores] == ["L01"]
    assert migration.composed
    assert migration.statements[2].actions[0].kind is Act.ADD_COLUMN


def test_problems_of_a_file_that_is_read_in_name_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.sql").write_text("SELECT 1;\nSELEKT;\n\\c x\n")
    assert [p[:2] for p in refused("SELECT 1;\n\\i b.sql\n")] == [("b.sql", 2), ("b.sql", 3)]


def test_files_that_read_each_other_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sql").write_text("\\i b.sql\n")
    (tmp_path / "b.sql").write_text("SELECT 1;\n\\i a.sql\n")
    ((path, line, message),) = refused("\\i b.sql\n", "a.sql")
    assert (path, line) == ("b.sql", 2)
    assert "being read already" in message
    for number in range(30):
        (tmp_path / f"n{number}.sql").write_text(f"\\i n{number + 1}.sql\n")
    ((path, _, message),) = refused("\\i n1.sql\n", "n0.sql")
    assert (path, "deep" in message) == ("n15.sql", True)


def test_a_named_pipe_is_not_waited_for(tmp_path, monkeypatch):
    import os

    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert refused("\\i pipe\n")[0][1] == 1


FOLDERS = {
    "top.sql": "SELECT 'top';",
    "sub/top.sql": "SELECT 'sub/top';",
    "sub/x.sql": "SELECT 'sub/x';",
    "sub/deep/x.sql": "SELECT 'deep/x';",
    "a b/x y.sql": "SELECT 'ab/x';",
    "sub/in.sql": "\\ir x.sql\n\\i top.sql\n\\cd ..\n\\ir x.sql\n",
    "sub/up.sql": "\\ir ../top.sql\n\\ir deep/../x.sql\n",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\cd sub\n\\i x.sql\n\\ir x.sql\n\\ir top.sql", ["sub/x", "sub/x", "sub/top"]),
        ("\\cd sub\n\\cd deep\n\\i x.sql\n\\cd ..\n\\i x.sql", ["deep/x", "sub/x"]),
        ("\\cd sub deep\n\\i x.sql;", ["sub/x"]),
        ("\\cd sub;\n\\i x.sql ;", ["sub/x"]),
        ("\\i 'a b'/'x y.sql'\n\\i 'a b/x y.sql'", ["ab/x", "ab/x"]),
        ("\\cd 'a b'\n\\ir 'x y.sql'", ["ab/x"]),
        ("\\set d sub\n\\i :d/x.sql", ["sub/x"]),
        ("\\i sub/../top.sql\n\\i nosuch/../top.sql\n\\i ./sub//x.sql extra", ["top", "top", "sub/x"]),
        ("\\include_relative sub/x.sql \\include top.sql\nSELECT 'end';", ["sub/x", "top", "end"]),
        ("\\i top.sql \\\\ SELECT 'end';", ["top", "end"]),
        ("\\i to'p.s'ql", ["top"]),
        ("\\i sub/up.sql\n\\ir sub/up.sql", ["top", "sub/x", "top", "sub/x"]),
        # in.sql was named from sub: behind \\cd .. its own folder is the empty one, and x.sql is not there.
        ("\\cd sub\n\\i in.sql", ("sub/in.sql", 4)),
        # named sub/in.sql, \\ir finds its neighbour, \\i does not leave the first directory, and \\cd .. leads away
        ("\\i sub/in.sql", ("sub/in.sql", 4)),
        ("\\cd nosuch\n", ("", 1)),
        ('\\cd "sub"\n', ("", 1)),
        ("\\cd ~\n", ("", 1)),
        ('\\i "top.sql"', ("", 1)),
        ("\\i a b/x y.sql", ("", 1)),
        ("\\set d sub\n\\i :'d'/x.sql", ("", 2)),
        ('\\set d sub\n\\i :"d"/x.sql', ("", 2)),
        ("\\i sub", ("", 1)),
        ("\\i -", ("", 1)),
        ("\\if false\n\\cd nosuch\n\\i nosuch.sql\n\\endif\n\\i top.sql", ["top"]),
    ],
)
def test_files_and_folders_are_found_where_psql_finds_them(tmp_path, monkeypatch, text, expected):
    for name, content in FOLDERS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    if isinstance(expected, list):
        assert [sql.split("'")[1] for sql in sqls(text)] == expected
    else:
        found = refused(text)
        assert [(path, line) for path, line, _ in found] == [expected], found


def test_a_name_of_the_file_itself_stays_what_it_was(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "x.sql").write_text("SELECT 'beside';")
    (tmp_path / "sub/x.sql").write_text("SELECT 'sub/x';")
    monkeypatch.chdir(tmp_path)
    text = "\\cd sub\n\\ir x.sql"
    assert sqls(text, "m.sql") == ["SELECT 'sub/x'"]
    assert sqls(text, str(tmp_path / "m.sql")) == ["SELECT 'beside'"]
    assert sqls(text, "-") == ["SELECT 'sub/x'"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sqls("\\cd sub\n\\cd\n\\i x.sql\n\\i ~/sub/x.sql") == ["SELECT 'beside'", "SELECT 'sub/x'"]
