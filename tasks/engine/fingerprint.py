"""What the numbers of a stage come from: the definitions that its code reaches, and the versions of libraries they use.

A definition is a function, a class or a constant at the top of a file. From the class of a stage's recipes on, and from
the chosen members of the house (a family, a source, an activation), every definition that one mentions is followed,
through the files of `ib_core` and `tasks` and of a user's own modules. What stands beside it in the same file counts
for nothing, nor do docstrings, comments and layout, nor a method `cost`, which estimates. A registry finds its members
by name: nothing mentions them, so that one more makes no result stale.

Of the libraries that the house uses those count that the definitions mention, of other people's packages all that a
module of a user's imports, wherever in it: what they change by being imported is not seen.

The store, the engine and this file move bytes and cannot change a number, so they are left out; so are the readers of
data sets, as what they read is known by its digest.
"""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parent.parent.parent
_HOUSE = ("ib_core", "tasks")
_ABOVE = ("flows", "deployments", "ibshift")  # make no numbers
_MACHINERY = (
    "tasks.store.store",
    "tasks.engine.recipe",
    "tasks.engine.make",
    "tasks.engine.fingerprint",
    "tasks.points",
)
# Libraries that make numbers, by the name they are imported under.
_LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "torch": "torch", "numba": "numba", "ot": "POT", "piqp": "piqp"}
_WHOLE = "*"  # in the place of a name: all of a module

Definition = tuple[str, str]  # module and name


class Fingerprint(NamedTuple):
    """What identifies the code of a stage.

    Attributes:
        code: hash of what is reached in each module, by its name; of a page template beside it, by "module.html".
        libraries: version of each library that the reached code mentions, and of each distribution that a user's module
            imports.
    """

    code: dict[str, str]
    libraries: dict[str, str]


def fingerprint(kind: type, members: tuple[Definition, ...] = ()) -> Fingerprint:
    """Of a class of recipes with the members (module, name) that its settings choose.

    That of the house alone is remembered; a module of a user's own may be edited at any time.
    """
    own = any(module.partition(".")[0] not in _HOUSE for module, _ in ((kind.__module__, ""), *members))
    return read_fingerprint(kind, members) if own else _remembered(kind, members)


def read_fingerprint(kind: type, members: tuple[Definition, ...]) -> Fingerprint:
    """The same, from the files as they are now."""
    found: dict[str, dict[str, str]] = {}
    libraries: set[str] = set()
    pending, seen = [(kind.__module__, kind.__name__), *members], set()
    while pending:
        definition = pending.pop()
        module, name = definition
        if definition in seen or f"{module}.".startswith(tuple(f"{each}." for each in _MACHINERY)):
            continue
        seen.add(definition)
        if module.partition(".")[0] in _LIBRARIES:
            libraries.add(_LIBRARIES[module.partition(".")[0]])
            continue
        path = _source(module)
        if path is None:
            continue
        contents = _contents(module, path.read_text(encoding="utf-8"))
        if module.partition(".")[0] not in _HOUSE:
            libraries.update(*map(_distributions, contents.imports))
        if name != _WHOLE and name not in contents.definitions and name not in contents.aliases:
            # `from package import module`, or a name that is made in some other way: then all of it counts.
            inner = f"{module}.{name}"
            pending.append((inner, _WHOLE) if _source(inner) else (module, _WHOLE))
            continue
        hashes = found.setdefault(module, {})
        page = path.with_suffix(".html")
        if page.exists():
            found.setdefault(f"{module}.html", {})["page"] = hashlib.sha256(page.read_bytes()).hexdigest()
        for wanted in contents.definitions if name == _WHOLE else [name]:
            if wanted in contents.aliases:  # imported here under this name
                pending.append(contents.aliases[wanted])
            for digest, mentioned in contents.definitions.get(wanted, []):
                hashes[wanted] = hashes.get(wanted, "") + digest
                pending += mentioned
        for k, (digest, mentioned) in enumerate(contents.effects):
            hashes[f"effect {k}"] = digest
            pending += mentioned
    code = {module: _digest(sorted(hashes.items())) for module, hashes in sorted(found.items()) if hashes}
    return Fingerprint(code, {name: _version(name) for name in sorted(libraries)})


_remembered = cache(read_fingerprint)


class _Contents(NamedTuple):
    """A module: hash and mentioned definitions of each statement, by the names that it binds at the top."""

    definitions: dict[str, list[tuple[str, list[Definition]]]]
    aliases: dict[str, Definition]
    effects: list[tuple[str, list[Definition]]]  # statements that bind nothing
    imports: set[str]  # packages that any statement imports


@cache
def _contents(module: str, text: str) -> _Contents:
    tree = ast.parse(text)
    aliases = dict(_imported(module, tree.body))
    bound = [(list(_bound(node)), node) for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    own = {name for names, _ in bound for name in names}
    imports = {origin.partition(".")[0] for _, (origin, _) in _imported(module, [tree])}
    contents = _Contents({}, {name: place for name, place in aliases.items() if name not in own}, [], imports)
    for names, node in bound:
        if _is_prose(node):
            continue
        node = _without_cost(node)
        entry = _hash(node), _mentioned(module, node, own, aliases)
        for name in names:
            contents.definitions.setdefault(name, []).append(entry)
        if not names:
            contents.effects.append(entry)
    return contents


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement at the top binds, also in `if`, `try` and `with`, but not those in comprehensions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.id
    elif not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _imported(module: str, nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Definition]]:
    """Local names of imports, and what they stand for."""
    for statement in nodes:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield (
                        alias.asname or alias.name.partition(".")[0],
                        (
                            alias.name if alias.asname else alias.name.partition(".")[0],
                            _WHOLE,
                        ),
                    )
            elif isinstance(node, ast.ImportFrom):
                origin = node.module or ""
                if node.level:
                    base = module.split(".")[: -node.level] if not _is_package(module) else module.split(".")
                    origin = ".".join([*base, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield alias.asname or alias.name, (origin, alias.name)


def _mentioned(module: str, node: ast.AST, own: set[str], aliases: dict[str, Definition]) -> list[Definition]:
    """What a statement mentions: names of its own module, and through imports, its own ones too, of others."""
    aliases = aliases | dict(_imported(module, [node]))
    found: list[Definition] = []
    covered: set[ast.AST] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute):
            chain, base = [child.attr], child.value
            while isinstance(base, ast.Attribute):
                chain.append(base.attr)
                base = base.value
            if isinstance(base, ast.Name) and base.id in aliases and base not in covered:
                covered.add(base)
                found.append(_through(aliases[base.id], chain[::-1]))
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and child not in covered:
            if child.id in aliases:
                origin, name = aliases[child.id]
                found.append((origin, name))
            elif child.id in own:
                found.append((module, child.id))
    return found


def _through(place: Definition, chain: list[str]) -> Definition:
    """What `alias.a.b` stands for: modules are gone into as far as they go."""
    module, name = place
    if name != _WHOLE:
        inner = f"{module}.{name}"
        if _source(inner) is None:  # an object, whose attributes belong to it
            return place
        module = inner
    for step in chain:
        if _source(f"{module}.{step}") is None:
            return module, step
        module = f"{module}.{step}"
    return module, _WHOLE


def _is_prose(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _without_cost(node: ast.stmt) -> ast.stmt:
    """A class without its method `cost`: an estimate of seconds changes no number."""
    if isinstance(node, ast.ClassDef):
        node.body = [each for each in node.body if not (isinstance(each, ast.FunctionDef) and each.name == "cost")]
    return node


def _hash(node: ast.AST) -> str:
    """Hash of a syntax tree without docstrings: comments, layout and prose change nothing."""
    for child in ast.walk(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _is_prose(child.body[0]):
            child.body[0] = ast.Pass()
    return hashlib.sha256(ast.dump(node).encode()).hexdigest()


def has_source(module: str) -> bool:
    """Whether the code of a module, of the house or of a user's own, can be read."""
    return _source(module) is not None


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _is_package(module: str) -> bool:
    path = _source(module)
    return path is not None and path.name == "__init__.py"


@cache
def _source(module: str) -> Path | None:
    """The file of a module of the house or of a user's own; None for libraries and for what is no module."""
    top = module.partition(".")[0]
    if top in _HOUSE:
        path = _ROOT / module.replace(".", "/")
        for found in (path / "__init__.py", path.with_suffix(".py")):
            if found.exists():
                return found
        return None
    if top in sys.stdlib_module_names or top in _LIBRARIES:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin).resolve()
    libraries = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    return None if any(path.is_relative_to(folder) for folder in libraries) else path


def _distributions(package: str) -> tuple[str, ...]:
    """The distributions that a package of other people's comes from; none for the house, Python's own and a user's."""
    if package in _LIBRARIES:
        return (_LIBRARIES[package],)
    if package in (*_HOUSE, *_ABOVE) or package in sys.stdlib_module_names or _source(package) is not None:
        return ()
    return tuple(_owners().get(package, ()))


@cache
def _owners() -> dict[str, list[str]]:
    """Distributions by the packages that they install."""
    return {package: sorted(set(names)) for package, names in packages_distributions().items()}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
