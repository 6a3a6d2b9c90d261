"""CONFIG 3 of 5: compiles a revision of the store into snapshots and pushes them to nodes.

`compile` makes the whole snapshot or the difference since a revision for a server as `server`
describes it, `check` stops what contradicts itself before it leaves, `push` does both whenever the
store has changed, and `withheld` keeps a zone that no node takes from holding up the others. The
node is on the other side of the wire: nothing here knows it.
"""
