"""What editors need: lexemes for highlighting, names and their uses, the language server."""
