"""Small faults in a module's text, as mutmut makes them, each of them a whole text to be run instead.

mutmut's own runner switches mutants on after everything was imported. What is made while a module is imported, as the
tables of the conversation are, would never be seen broken, and what stands outside of functions or has a decorator is
left out. So its operators are used here, and :mod:`tests.mutation.run` imports each text anew.

Not mutated, as no test should depend on it: words of error messages (a ``raise``'s arguments), annotations and names
of types, docstrings, ``__all__``, the labels of enumerations, and the case of letters in the vault's SQL.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut import configuration
from mutmut.mutation.file_mutation import ENUM_BASE_NAMES, MutationVisitor, OuterFunctionProvider
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

_TYPE_MAKERS = {"NewType", "TypeVar", "Literal", "cast"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """``was`` and ``now`` are the lines that differ, stripped; with ``where`` they name it in survivors.toml."""

    file: str
    where: str
    line: int
    was: str
    now: str
    text: str


class _Visitor(MutationVisitor):  # type: ignore[misc]  # mutmut has no types that the checks can see
    METADATA_DEPENDENCIES = (PositionProvider, OuterFunctionProvider, ParentNodeProvider)

    def __init__(self) -> None:
        nothing: set[int] = set()
        super().__init__(
            mutation_operators,
            IgnoredCode(no_mutate_lines=nothing, ignore_node_lines=nothing, ignore_pattern_lines=nothing),
        )
        self.spots: list[tuple[int, str]] = []
        self._path: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        before = len(self.mutations)
        goes_on = bool(super().on_visit(node))
        if len(self.mutations) > before:
            line = self.get_metadata(PositionProvider, node).start.line
            self.spots += [(line, ".".join(self._path))] * (len(self.mutations) - before)
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._path.append(node.name.value)
        return goes_on

    def on_leave(self, original_node: cst.CSTNode) -> None:
        super().on_leave(original_node)
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._path.pop()

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef):
            return False  # decorated or not
        return self._is_not_for_tests(node) or bool(super()._skip_node_and_children(node))

    def _is_not_for_tests(self, node: cst.CSTNode) -> bool:
        match node:
            case (
                cst.Raise(exc=cst.Call())
                | cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())
                | cst.Assign(value=cst.Subscript(value=cst.Name(value="Literal")))
                | cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value="__all__"))])
            ):
                return True
            case cst.Call(func=cst.Name(value=name)):
                return name in _TYPE_MAKERS
            case cst.Assign():
                return self._is_label(node)
        return False

    def _is_label(self, node: cst.Assign) -> bool:
        if not isinstance(node.value, cst.SimpleString):
            return False
        owner = self.get_metadata(ParentNodeProvider, self.get_metadata(ParentNodeProvider, node))
        owner = (
            self.get_metadata(ParentNodeProvider, owner) if isinstance(owner, cst.IndentedBlock) else owner
        )
        return isinstance(owner, cst.ClassDef) and any(
            isinstance(base.value, cst.Name) and base.value.value in ENUM_BASE_NAMES for base in owner.bases
        )


def mutants_of(root: Path, file: str) -> Iterator[Mutant]:
    """Every mutant of one module, each once, in the order of the text."""
    _configure()
    text = (root / file).read_text()
    wrapper = MetadataWrapper(cst.parse_module(text))
    visitor = _Visitor()
    module = wrapper.visit(visitor)
    seen = {text}
    for mutation, (line, where) in zip(visitor.mutations, visitor.spots, strict=True):
        mutated = module.deep_replace(mutation.original_node, mutation.mutated_node).code
        if mutated in seen:
            continue
        seen.add(mutated)
        was, now = _difference(text, mutated)
        if file.startswith("storage/vault") and was.lower() == now.lower():
            continue  # SQL
        yield Mutant(file=file, where=where or "module", line=line, was=was, now=now, text=mutated)


def _difference(text: str, mutated: str) -> tuple[str, str]:
    lines = list(difflib.ndiff(text.splitlines(), mutated.splitlines()))
    return tuple(  # type: ignore[return-value]  # of the two signs
        "\n".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )


def _configure() -> None:
    """mutmut's operators ask for its configuration, which otherwise guesses from the folder."""
    if configuration._config is None:
        configuration._config = object()
