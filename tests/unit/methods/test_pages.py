"""Planted pages and sparse files."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.methods.kind import GinPages, RelationFile
from indexpilot_cli.methods.kinds.brin import brin_metapage
from indexpilot_cli.methods.kinds.btree import MAX_HEIGHT, btree_pages
from indexpilot_cli.methods.kinds.gin import gin_metapage
from indexpilot_cli.planner.twin.layout import SEGMENT, first_pages, write_file


def nobody(path):
    """The files stay ours."""


def header(page):
    lower, upper, special, version = struct.unpack_from("<HHHH", page, 12)
    return lower, upper, special, version


def test_an_empty_tree_is_only_its_metapage():
    pages = btree_pages(0)
    assert len(pages) == BLOCK
    magic, version, root, level, fast_root, fast_level = struct.unpack_from("<6I", pages, 24)
    assert (magic, version, root, level, fast_root, fast_level) == (0x053162, 4, 0, 0, 0, 0)


@given(st.integers(1, MAX_HEIGHT))
def test_the_chain_leads_from_the_root_to_one_leaf(height):
    pages = btree_pages(height)
    root, level = struct.unpack_from("<II", pages, 32)
    assert (root, level, len(pages)) == (height + 1, height, (height + 2) * BLOCK)
    block = root
    for expected in range(height, 0, -1):
        page = pages[block * BLOCK : (block + 1) * BLOCK]
        lower, upper, special, version = header(page)
        assert (lower, special, version) == (28, BLOCK - 16, BLOCK | 4)
        _, _, on_level, flags, _ = struct.unpack_from("<IIIHH", page, special)
        assert (on_level, bool(flags & 2), bool(flags & 1)) == (expected, block == root, False)
        (pointer,) = struct.unpack_from("<I", page, 24)
        assert (pointer & 0x7FFF, pointer >> 17) == (upper, 8)
        block = struct.unpack_from("<H", page, upper + 2)[0]
    leaf = pages[block * BLOCK : (block + 1) * BLOCK]
    assert block == 1 and header(leaf)[:2] == (24, BLOCK - 16)


def test_a_tree_cannot_be_arbitrarily_high():
    with pytest.raises(ValueError):
        btree_pages(MAX_HEIGHT + 1)


def test_gin_and_brin_metapages_hold_what_the_planner_reads():
    gin = gin_metapage(GinPages(pending=3, total=100, entry=40, data=50, entries=1234))
    assert struct.unpack_from("<I", gin, 24 + 12) == (3,)
    assert struct.unpack_from("<III", gin, 24 + 24) == (100, 40, 50)
    assert struct.unpack_from("<q", gin, 24 + 40) == (1234,)
    brin = brin_metapage(16, 16 * 1360 + 1)
    assert struct.unpack_from("<IIII", brin, 24) == (0xA8109CFA, 1, 16, 2)
    assert len(gin) == len(brin) == BLOCK


@pytest.mark.parametrize("blocks", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT + 5])
def test_files_have_the_length_but_not_the_weight(tmp_path, blocks):
    write_file(tmp_path, RelationFile(77, blocks), nobody)
    files = sorted(tmp_path.iterdir())
    assert sum(f.stat().st_size for f in files) == blocks * BLOCK
    assert all(f.stat().st_size <= SEGMENT * BLOCK for f in files)
    assert [f.name for f in files][:2] == ["77", "77.1"][: len(files)]
    assert sum(f.stat().st_blocks for f in files) * 512 < 1_000_000


def test_a_btree_file_begins_with_its_pages(tmp_path):
    file = RelationFile(5, 1000, "btree", height=2)
    write_file(tmp_path, file, nobody)
    content = (tmp_path / "5").read_bytes()
    assert len(content) == 1000 * BLOCK and content.startswith(first_pages(file))


def test_a_file_is_never_shorter_than_its_planted_pages(tmp_path):
    write_file(tmp_path, RelationFile(5, 1, "btree", height=3), nobody)
    assert (tmp_path / "5").stat().st_size == 5 * BLOCK


def test_keeping_lengthens_and_changes_nothing(tmp_path):
    (tmp_path / "9").write_bytes(b"x" * 3 * BLOCK)
    write_file(tmp_path, RelationFile(9, 5, "bloom", keep=True), nobody)
    assert (tmp_path / "9").read_bytes() == b"x" * 3 * BLOCK + bytes(2 * BLOCK)
    write_file(tmp_path, RelationFile(9, 1, "bloom", keep=True), nobody)
    assert (tmp_path / "9").stat().st_size == 5 * BLOCK
