"""CONFIG 3 of 5: compiles a revision of the store and publishes it to all servers at once.

`compile` makes the whole of the fleet or the difference since a revision, the same for every server,
`check` stops what contradicts itself before it leaves, `publish` does both whenever the store has
changed, `wholes` keeps something to begin with, `withheld` keeps a zone that contradicts itself from
holding up the others, `rollout` lets a change reach some servers before the others, and `moves` ends
moves of ports that are done. The nodes are on the other side of the bus: nothing here knows them.
"""
