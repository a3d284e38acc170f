"""Run docs/notebook.py cell by cell and write what it shows to docs/notebook.md and docs/notebook_*.png."""

import ast
import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)] * (str(HERE.parent) not in sys.path)


def render(script: Path, folder: Path) -> str:
    """The page of a script in cells: text, code, and what each cell prints and its last expression is.

    Args:
        script: cells begin with "# %%"; "# %% [markdown]" is text.
        folder: where figures are written.
    """
    name, parts, figures = script.stem, [], 0
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in script.read_text(encoding="utf-8").split("# %%")[1:]:
        kind, _, source = cell.partition("\n")
        if "markdown" in kind:
            parts.append("\n".join(line.removeprefix("#").removeprefix(" ") for line in source.strip().splitlines()))
            continue
        parts.append(f"```python\n{source.strip()}\n```")
        printed, value = run(source, space)
        if hasattr(value, "_repr_png_"):
            figures += 1
            (folder / f"{name}_{figures}.png").write_bytes(value._repr_png_())
            parts.append(f"![what the cell above draws]({name}_{figures}.png)")
        elif value is not None:
            printed += f"{value!r}\n"
        if printed:
            parts.append("```\n" + "\n".join(line.rstrip() for line in printed.rstrip().splitlines()) + "\n```")
    return "\n\n".join(parts) + "\n"


def run(source: str, space: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line if that is an expression."""
    tree, value = ast.parse(source), None
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "cell", "exec"), space)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), space)
    return printed.getvalue(), value


def page(script: Path, folder: Path) -> str:
    """The same with tables as wide as a page."""
    import pandas as pd

    with pd.option_context("display.width", 120, "display.max_columns", 20):
        return render(script, folder)


if __name__ == "__main__":
    (HERE / "notebook.md").write_text(page(HERE / "notebook.py", HERE), encoding="utf-8")
