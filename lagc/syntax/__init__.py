"""Text to `ast.File`: the grammar, the parser, syntax errors in words, and the printer."""
