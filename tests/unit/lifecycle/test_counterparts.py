"""The README has a line for every check of pg-index-health 0.41.1 and every method of pghero that judges something."""

from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "README.md"
# Their name of a check, and the words of the line that answers it.
CHECKS = {
    "btree_indexes_on_array_columns": "B-trees on arrays",
    "columns_not_following_naming_convention": "conventions",
    "columns_with_blob_type": "large objects",
    "columns_with_char_type": "char(n)",
    "columns_with_fixed_length_varchar": "varchar(n)",
    "columns_with_inconsistent_types": "one name of several types",
    "columns_with_json_type": "json",
    "columns_with_money_type": "money",
    "columns_with_serial_types": "column types (json, serial",
    "columns_with_timestamp_or_timetz_type": "money, timestamp",
    "columns_without_description": "descriptions of tables, columns",
    "duplicated_foreign_keys": "duplicate, intersecting, self-referencing",
    "duplicated_indexes": "duplicate indexes",
    "foreign_keys_with_null_values": "nullable foreign keys",
    "foreign_keys_with_unmatched_column_type": "unmatched types",
    "foreign_keys_without_index": "foreign keys without index",
    "functions_without_description": "columns and functions",
    "bloated_indexes": "bloated indexes",
    "indexes_with_boolean": "with booleans",
    "indexes_with_null_values": "indexes with NULLs",
    "indexes_with_timestamp_in_the_middle": "timestamp in the middle",
    "indexes_with_unnecessary_where_clause": "unnecessary `WHERE",
    "intersected_foreign_keys": "intersecting, self-referencing",
    "intersected_indexes": "intersecting indexes",
    "invalid_indexes": "invalid indexes",
    "not_valid_constraints": "not valid constraints",
    "objects_not_following_naming_convention": "names (conventions",
    "possible_object_name_overflow": "63 bytes",
    "primary_keys_that_most_likely_natural_keys": "natural, varchar and serial keys",
    "primary_keys_with_serial_types": "serial keys",
    "primary_keys_with_varchar": "varchar and serial keys",
    "self_referenced_foreign_keys": "self-referencing",
    "sequence_overflow": "sequences and integer keys that run out",
    "tables_not_linked_to_others": "without links",
    "tables_where_all_columns_nullable_except_pk": "nullable columns only",
    "tables_where_primary_key_columns_not_first": "key columns that are not first",
    "bloated_tables": "bloated tables",
    "tables_with_incrementing_columns": "numbered columns",
    "tables_with_inheritance": "with inheritance",
    "tables_with_missing_indexes": "tables with missing indexes",
    "tables_with_no_data": "empty tables",
    "tables_with_zero_or_one_column": "zero or one column",
    "tables_without_description": "descriptions of tables",
    "tables_without_primary_key": "tables without primary key",
    "unused_indexes": "unused indexes",
    # pghero
    "autovacuum_danger, transaction_id_danger": "transaction ids that run out",
    "blocked_queries, long_running_queries": "long running and blocked queries",
    "connections": "connections",
    "explain, suggested_indexes": "suggested indexes, tables with missing indexes, EXPLAIN",
    "index_bloat": "bloated indexes",
    "index_hit_rate, table_hit_rate": "cache hit rates",
    "index_usage, relation_sizes, space_growth": "sizes and use of tables and indexes",
    "invalid_constraints": "not valid constraints",
    "kill": "never killed",
    "maintenance_info, vacuum_progress": "tables not analyzed or vacuumed",
    "query_stats_enabled, slow_queries": "slow and frequent queries, pg_stat_statements that is missing",
    "replication_lag": "replication lag",
    "replication_slots": "inactive replication slots",
    "sequence_danger": "sequences and integer keys that run out",
    "settings": "server settings",
    "system_stats": "CPU, IOPS, free disk",
    "unused_tables": "unused and empty tables",
}


def lines():
    text = README.read_text(encoding="utf-8").partition("| what they look at | here |")[2].partition("\n\n")[0]
    return [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("|---")]


@pytest.mark.parametrize("check", CHECKS)
def test_each_has_one_line(check):
    assert len([line for line in lines() if CHECKS[check] in line]) == 1


def test_every_line_says_where_or_why_not_and_answers_a_check():
    for line in lines():
        theirs, here = line.strip("| ").split(" | ")
        assert here.startswith(("no: ", "not by rule: ", "guards ")) or "`" in here
        assert any(words in theirs or words in here for words in CHECKS.values()), line
