"""The index kinds there are, one file each: what it serves, its size, what its entries cost, its first pages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from indexpilot_cli.methods.fields import tree_pages
from indexpilot_cli.methods.kind import BuiltSize, IndexBuild, IndexKind


class UnknownKind(IndexKind):
    """An access method of an extension: sized as a tree half full, its writes taken as dear."""

    assumed = True

    def __init__(self, name: str):
        self.name = name
        self.any_order = name == "bloom"

    def built(self, build: IndexBuild) -> BuiltSize:
        """See IndexKind."""
        return BuiltSize(tree_pages(build.rows * (1.0 - build.fields[0].nulls), build.fields, 0.5), sure=False)


@cache
def index_kinds() -> Mapping[str, IndexKind]:
    """The kinds by name, in order of their modules. Raises when a module has none, or a name is there twice."""
    found: dict[str, IndexKind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = importlib.import_module(f"{__name__}.{module.name}").KIND
        if not isinstance(kind, IndexKind) or kind.name in found:
            raise TypeError(f"methods/kinds/{module.name}.py is not one index kind of its own")
        found[kind.name] = kind
    return MappingProxyType(found)


def index_kind(method: str) -> IndexKind:
    """The kind of that name; one that nothing is known of for the access methods of extensions."""
    known = index_kinds().get(method)
    return known if known is not None else UnknownKind(method)
