"""For the API reference: methods of which a stub has overloads only, which griffe leaves out."""

from __future__ import annotations

import ast
from typing import Any

from griffe import Class, Extension, Inspector, ObjectNode, Visitor


class Overloads(Extension):
    """Makes such a method a member of its class, with all of its signatures."""

    def on_class_members(
        self,
        *,
        node: ast.AST | ObjectNode,
        cls: Class,
        agent: Visitor | Inspector,
        **kwargs: Any,
    ) -> None:
        """Called once the members of a class are known."""
        for name, overloads in cls.overloads.items():
            if overloads and name not in cls.members:
                # The one with the docstring, if there is any, is what the method is.
                method = next((one for one in overloads if one.docstring), overloads[0])
                method.overloads = [*overloads]
                cls.set_member(name, method)
