"""A model as understood, for people: one document, written as text, LaTeX, HTML or JSON."""
