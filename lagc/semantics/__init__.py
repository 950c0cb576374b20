"""`ast.File` to `Model`: what every name is, and L and K as exact SymPy expressions."""
