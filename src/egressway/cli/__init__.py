"""In front of CONFIG 1: the command line, one file per noun; speaks HTTP only.

A command is a plain function that takes a connected client first: `command` connects it and turns
its errors into what happened, why, and what to do, on stderr with exit code 1 (2 for a command line
that makes no sense). `output` prints: tables for people, JSON for programs, never both. `scope`
finds objects by name. `nouns` mounts everything on the root of `services`, which adds the verbs
that start processes; this package starts none.
"""
