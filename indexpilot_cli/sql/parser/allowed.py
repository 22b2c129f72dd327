"""What of a statement is structure: names, keywords, types, JSON keys, labels of enum types, settings of storage.

Everything else a tree can hold as text goes, for whatever field a later version may bring: options of foreign tables
and servers, arguments of triggers, bodies and settings of functions, initial values. Constants are the caller's.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.message import Message

from indexpilot_cli.sql.parser.edit import copy
from indexpilot_cli.sql.parser.native import Node, unwrapped

_STATEMENTS_TEXT = """
    SelectStmt InsertStmt UpdateStmt DeleteStmt MergeStmt ReturnStmt CreateStmt AlterTableStmt IndexStmt
    ViewStmt CreateTableAsStmt CreateForeignTableStmt CreateSeqStmt AlterSeqStmt CreateDomainStmt CreateEnumStmt
    CompositeTypeStmt CreateRangeStmt DefineStmt CreateCastStmt CreateOpClassStmt CreateOpFamilyStmt
    AlterOpFamilyStmt CreateSchemaStmt CreateExtensionStmt CreateStatsStmt CreatePolicyStmt RuleStmt
    CreateTrigStmt CreateFunctionStmt CreateConversionStmt AlterTSConfigurationStmt CreateAmStmt CreatePLangStmt
    CreateTransformStmt CreateFdwStmt CreateForeignServerStmt ReplicaIdentityStmt
"""
_STATEMENTS = frozenset(_STATEMENTS_TEXT.split())
# Scalar texts of the parser's messages that are names or keywords; those of any other field are emptied.
_FIELDS_TEXT = """
    access_method aggkind aliasname amname amtype catalogname cmd_name colname column_name compression conname
    ctename cursor_name cycle_mark_column cycle_path_column defname defnamespace extname fdwname fk_del_action
    fk_matchtype fk_upd_action for_encoding_name generated generated_kind generated_when identity identity_type
    idxname indexcolname indexname indexspace lang name newname plname policy_name refname relname
    relpersistence rolename rulename schemaname search_seq_column servername storage storage_name strategy
    subtype table_space table_space_name tablespacename to_encoding_name trigname value
"""
_FIELDS = frozenset(_FIELDS_TEXT.split())
# Where a String is a name. A_Const holds literals; those of DefElem are looked at one by one.
_NAMES_TEXT = """
    A_Expr.name A_Indirection.indirection Alias.colnames AlterTableCmd.def AlterTSConfigurationStmt.cfgname
    AlterTSConfigurationStmt.tokentype AlterOpFamilyStmt.opfamilyname CollateClause.collname ColumnRef.fields
    CommonTableExpr.aliascolnames Constraint.fk_attrs Constraint.fk_del_set_cols Constraint.including
    Constraint.keys Constraint.pk_attrs CreateConversionStmt.conversion_name CreateConversionStmt.func_name
    CreateDomainStmt.domainname CreateEnumStmt.type_name CreateEnumStmt.vals CreateFdwStmt.func_options
    CreateFunctionStmt.funcname CreateOpClassStmt.opclassname CreateOpClassStmt.opfamilyname
    CreateOpFamilyStmt.opfamilyname CreatePLangStmt.plhandler CreatePLangStmt.plinline
    CreatePLangStmt.plvalidator CreateRangeStmt.type_name CreateStatsStmt.defnames CreateStatsStmt.stat_types
    CreateTrigStmt.columns CreateTrigStmt.funcname DefineStmt.defnames FuncCall.funcname IndexElem.collation
    IndexElem.opclass IntoClause.col_names JoinExpr.using_clause List.items ObjectWithArgs.objname
    PartitionElem.collation PartitionElem.opclass ResTarget.indirection SortBy.use_op SubLink.oper_name
    TypeName.names UpdateStmt.indirection CreateOpClassItem.order_family ViewStmt.aliases
    CTECycleClause.cycle_col_list CTESearchClause.search_col_list
"""
_NAMES = frozenset(_NAMES_TEXT.split())
# These can hold anything (a password, a host, the name of a file): they go whole.
_EMPTIED = frozenset(("CreateFdwStmt.options", "CreateForeignServerStmt.options", "CreateForeignTableStmt.options"))
_EMPTIED |= {"ColumnDef.fdwoptions"}
# Options whose value is a word or a name.
_OPTIONS_TEXT = """
    locale lc_collate lc_ctype provider schema language volatility parallel owned_by sequence_name analyze
    check_option buffering support commutator negator
"""
_OPTIONS = frozenset(_OPTIONS_TEXT.split())
_NUMBER_OR_SWITCH = re.compile(r"[+-]?\d+(?:\.\d+)?|true|false|on|off|yes|no|auto|none|local|cascaded", re.IGNORECASE)
_SETTING = "VariableSetStmt"  # allowed as a part of CREATE FUNCTION
REDACTED = "redacted"
_CONSTANTS = frozenset(("A_Const", "Integer", "Float", "Boolean", "A_Star"))
_TEXT, _MESSAGE = 9, 11  # FieldDescriptor.TYPE_STRING, TYPE_MESSAGE


def is_number_or_switch(text: str) -> bool:
    """Whether the value of an option says nothing but how much or whether."""
    return _NUMBER_OR_SWITCH.fullmatch(text) is not None


def structure(node: Node) -> Node | None:
    """A copy of the statement that holds structure and constants only; None for a kind that is not allowed."""
    if node.kind == _SETTING or not all(map(_allowed, node.walk())):
        return None
    fresh = copy(node)
    _clean(fresh.message)
    return fresh


def _allowed(node: Node) -> bool:
    if node.kind == "AlterTableCmd":  # options of a foreign table are of no use to anybody without its server
        return not node.enum("subtype").endswith("GenericOptions")
    return not node.kind.endswith("Stmt") or node.kind in _STATEMENTS or node.kind == _SETTING


def _clean(message: Any) -> None:
    """Empty what is not allowed, in place, down the tree."""
    kind = type(message).__name__
    for descriptor, value in message.ListFields():
        place = f"{kind}.{descriptor.name}"
        if place in _EMPTIED or (descriptor.type == _TEXT and descriptor.name not in _FIELDS):
            message.ClearField(descriptor.name)
        elif descriptor.type == _MESSAGE and isinstance(value, Message):
            _clean_child(place, unwrapped(value))
        elif descriptor.type == _MESSAGE:
            for child in list(value):
                if not _clean_child(place, unwrapped(child)):
                    value.remove(child)


def _clean_child(place: str, child: Any) -> bool:
    """Whether it may stay in its list; names stand for themselves, so one that is none is emptied instead."""
    kind = type(child).__name__
    if kind == "String":
        child.sval = child.sval if place in _NAMES else ""
    elif kind == "DefElem":
        return _clean_option(child)
    elif child is not None and kind not in _CONSTANTS:
        _clean(child)
    return True


def _clean_option(option: Any) -> bool:
    value: Any = unwrapped(option.arg) if option.HasField("arg") else None
    kind = type(value).__name__
    if option.defname == "as" and kind == "List":  # the body of a function can hold any data
        for part in value.items:
            part.string.sval = REDACTED
        return True
    if kind == _SETTING:  # of the settings of a function only the search path says what its texts mean
        return bool(value.name == "search_path")
    if kind in ("List", "String"):
        plain = kind == "String" and is_number_or_switch(value.sval)
        return plain or option.defname in _OPTIONS
    if value is not None and kind not in _CONSTANTS:
        _clean(value)
    return True
