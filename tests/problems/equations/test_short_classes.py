"""An equation is a short class: what a user would have to write, without what only measures errors."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize

import pytest

from laaf_lightning.problems import PDE
from tests.problems.equations.test_all_problems import PROBLEMS

AT_MOST = 25
# The reference: the exact solution, the grid on which errors are measured, the true coefficients; and what only these
# call of the class's own methods.
REFERENCE = {"exact", "axes", "true_coefficients"}
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def own_calls(method: ast.AST) -> set[str]:
    """Return the attributes of `self` that a method uses."""
    return {
        node.attr
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def reference_methods(kind: ast.ClassDef) -> set[str]:
    """Return `REFERENCE` with the methods that it calls, at any depth."""
    methods = {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}
    found = REFERENCE & methods.keys()
    while more := {name for method in found for name in own_calls(methods[method])} & methods.keys() - found:
        found |= more
    return found


def code_lines(source: str) -> int:
    """Count the lines of a class that are neither blank, comment, docstring nor reference; decorators count."""
    (kind,) = ast.parse(source).body
    assert isinstance(kind, ast.ClassDef)
    reference = reference_methods(kind)
    left_out: set[int] = set()
    for node in ast.walk(kind):
        is_docstring = isinstance(node, ast.Expr) and isinstance(
            node.value, ast.Constant
        )  # no other constant stands so
        if isinstance(node, ast.stmt) and (is_docstring or getattr(node, "name", "") in reference):
            assert node.end_lineno is not None
            left_out |= set(range(node.lineno, node.end_lineno + 1))
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in NO_CODE]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - left_out)


@pytest.mark.parametrize("kind", dict.fromkeys(type(problem) for problem, _ in PROBLEMS))
def test_a_problem_takes_25_lines_or_fewer(kind: type[PDE]) -> None:
    assert code_lines(inspect.getsource(kind)) <= AT_MOST


def test_lines_are_counted_as_is_said() -> None:
    source = textwrap.dedent('''
        @decorated
        class Some(PDE):  # a comment on a line of code
            """Say
            something.
            """

            # a comment
            speed: float = 1.0

            def residual(self, x, u):
                """Say more."""
                return (
                    u.d("t")

                    - self.speed * self._profile(x)
                )

            def exact(self, points):
                return self._sum(points)

            def _sum(self, points):
                return self._depth(points)

            def _depth(self, points):
                return 0.0

            def _profile(self, x):
                return x
    ''').strip()
    # Two of the head, one field, five of the residual, two of what it calls.
    assert code_lines(source) == 10
