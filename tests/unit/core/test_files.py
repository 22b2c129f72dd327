"""Whatever a file is that somebody names, every reader of files ends soon: with what it reads, or with exit code 2."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexpilot_cli.advise.planfile import read_plan
from indexpilot_cli.core import files
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.review import migration
from indexpilot_cli.genome.schema_file import load_schema
from indexpilot_cli.settings import yaml_file
from indexpilot_cli.snapshot import values as snapshots
from indexpilot_cli.workload.collect import read_sql
from tests.waiting import LIMIT

MANY = 100_000
SECONDS = 60.0  # of this process's CPU; on an idle machine the slowest takes less than one
BOMB = "".join(f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
TEXTS = {
    "empty": b"",
    "bom": b"\xef\xbb\xbf",
    "latin-1": "caf\xe9: 1".encode("latin-1"),
    "utf-16": "a: 1".encode("utf-16"),
    "nul": b"a\x00b: \x00",
    "deep json": b'{"schema": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "unclosed json": b"[" * 200_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "101 levels": b'{"a":' * 101 + b"1" + b"}" * 101,
    "deep yaml": b"a:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 600)),
    "deep flow": b"a: " + b"[" * 100_000,
    "aliases": f"x0: &a0 [y]\n{BOMB}".encode(),
    "endless": b"a: &a [*a]\n",
    "many keys": b"".join(b"key_%d: 1\n" % n for n in range(MANY)),
    "many json keys": json.dumps({f"key_{n}": 1 for n in range(MANY)}).encode(),
    "huge number": b'{"a": ' + b"9" * 100_000 + b"}",
    "infinite": b'{"schema": "indexpilot.recommend/1", "result": {"cost_before": 1e999}}',
    "surrogate": b'{"schema": "\\ud800"}',
    "python tag": b"a: !!python/object/apply:os.system ['true']\n",
    "a list": b"[1, 2]",
    "a number": b"7",
    "gzip": gzip.compress(b"{}"),
    "gzip cut": gzip.compress(b"{}" * 1000)[:-9],
    "gzip deep": gzip.compress(b"[" * 200_000),
    "gzip list": gzip.compress(b"[]"),
    "gzip noise": b"\x1f\x8b" + bytes(range(256)),
}


def settings_file(path):
    return yaml_file.read(path, str(path))


def schema(suffix):
    return lambda path: load_schema(path.rename(path.with_suffix(suffix)) if path.suffix == "" else path)


READERS = {
    "settings": settings_file,
    "plan": read_plan,
    "snapshot": snapshots.load,
    "yaml schema": schema(".yaml"),
    "json schema": schema(".json"),
    "python schema": schema(".py"),
    "migration": lambda path: migration._read(str(path)),
    "sql": lambda path: read_sql((path,)),
}


def ends_well(read, path):
    """The error, None when there was none; neither takes long."""
    began = time.process_time()
    error = None
    try:
        read(path)
    except UsageError as raised:
        error = raised
        assert raised.exit_code == 2 and raised.message and "\n" not in raised.message
    assert time.process_time() - began < SECONDS
    return error


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("reader", READERS)
def test_texts_of_every_kind(reader, text, tmp_path):
    path = tmp_path / "given"
    path.write_bytes(TEXTS[text])
    ends_well(READERS[reader], path)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SILENCE", 0.3)  # seconds that a pipe may be silent
    read, pipe = READERS[reader], tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    links = [tmp_path / f"{name}.yaml" for name in ("zero", "urandom")]
    for link in links:
        link.symlink_to(f"/dev/{link.stem}")
    for path in (pipe, *links, Path("a\0b.yaml"), tmp_path / ("n" * 300 + ".yaml"), folder):
        assert ends_well(read, path) is not None, path


WORDS = ("schema", "result", "plan", "recommendations", "definition", "tables", "fields", "kind", "format", "snapshot")
SCALARS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5))
DOCUMENTS = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(WORDS), below, max_size=4),
    max_leaves=12,
)
NOISE = st.one_of(st.binary(max_size=200), DOCUMENTS.map(lambda value: json.dumps(value).encode()))


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=NOISE)
def test_noise(reader, data, tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(data)
    ends_well(READERS[reader], path)
    if reader == "snapshot":
        path.write_bytes(gzip.compress(data))
        ends_well(READERS[reader], path)


def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(tmp_path):
    path = tmp_path / "bomb.ipsnap"
    path.write_bytes(gzip.compress(b" " * (1 << 22), 9) * 300)  # members of 4 MB, 1.2 GB together
    error = ends_well(snapshots.load, path)
    assert error.message == f"{path} is larger than 256.0 MB"


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (settings_file, read_plan, snapshots.load, READERS["migration"], READERS["sql"]):
        assert "is larger than" in ends_well(read, path).message


def test_a_pipe_with_a_writer_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SILENCE", LIMIT)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("SELECT 1;\nSELECT 2;"))
    writer.start()
    try:
        assert len(read_sql((pipe,)).statements) == 2
    finally:
        writer.join()


def test_the_null_device_is_an_empty_file():
    assert files.read_text("/dev/null", files.CONFIGURATION) == ""


def test_standard_input_is_bytes_whatever_its_encoding(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("SELECT 'ä'".encode()), encoding="ascii"))
    assert files.read_text("-", files.SQL) == "SELECT 'ä'"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"SELECT '\xe4'"), encoding="utf-8"))
    with pytest.raises(UsageError, match="standard input is not UTF-8"):
        files.read_text("-", files.SQL)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_what_is_written_is_private_whatever_the_umask(tmp_path, mask):
    path, before = tmp_path / "out", os.umask(mask)
    try:
        files.write(path, "one")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        files.write(path, b"two", keep_mode=True)
        assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o644)
        files.write(path, "three")
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("three", 0o600)
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        files.create(tmp_path / "new.yaml", "dsn: postgres://u:secret@h/d\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.yaml").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "new.yaml", "other")
    assert (tmp_path / "new.yaml").read_text().startswith("dsn: ")


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": None}


def pack(how, data):
    if PACKERS[how] is not None:
        return PACKERS[how](data)
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("how", PACKERS)
def test_packed_sql_is_unpacked_and_no_further_than_its_limit(tmp_path, how):
    text = "SELECT * FROM t WHERE a = 1;\n"
    for name in (f"a.sql.{how}", "named.otherwise"):
        path = tmp_path / name
        path.write_bytes(pack(how, text.encode()))
        assert files.read_text(path, files.SQL) == text
        (found,) = migration.read_files([str(path)], None)
        assert (found.path, found.text) == (str(path), text)
        assert [s.text for s in read_sql((path,)).statements] == ["SELECT * FROM t WHERE a = 1"]
    bomb = tmp_path / f"bomb.sql.{how}"
    bomb.write_bytes(pack(how, b" " * (files.MIGRATION.most + 1)))
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UsageError, match=r"bomb\.sql.* is larger than 20"):
        migration.read_files([str(bomb)], None)
    broken = tmp_path / f"broken.sql.{how}"
    broken.write_bytes(pack(how, os.urandom(5000))[:-1000])
    with pytest.raises(UsageError) as raised:
        files.read_text(broken, files.SQL)
    assert "damaged" in (raised.value.detail or "")


def test_packed_files_of_a_folder_are_read_in_their_order(tmp_path):
    (tmp_path / "2.sql.gz").write_bytes(gzip.compress(b"SELECT 2 FROM t;"))
    (tmp_path / "1.sql").write_text("SELECT 1 FROM t;")
    (tmp_path / "2.down.sql.gz").write_bytes(gzip.compress(b"SELECT 3 FROM t;"))
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"no SQL"))
    assert [Path(f.path).name for f in migration.read_files([str(tmp_path)], None)] == ["1.sql", "2.sql.gz"]
    assert len(read_sql((tmp_path,)).statements) == 3
    assert files.plain_suffix(Path("a.SQL.gz")) == ".sql" and files.plain_suffix(Path("a.sql")) == ".sql"


def test_a_file_that_psql_reads_in_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sql.gz").write_bytes(gzip.compress(b"SELECT 1;"))
    with pytest.raises(migration.UnreadableMigration, match="UTF-8"):
        migration.read_migration("m.sql", "\\i a.sql.gz\n")
