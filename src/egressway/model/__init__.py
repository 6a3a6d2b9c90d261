"""The dictionary of all paths: the words of GLOSSARY as frozen types and pure rules; no I/O."""
