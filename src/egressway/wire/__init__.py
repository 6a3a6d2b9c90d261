"""What crosses a process boundary, and nothing else.

CONFIG 3 to 5: `snapshot` is what a server's data plane is told, `consistency` what every receiver
refuses, `acknowledgement` what comes back, `capability` which layouts a build can read.
MEASUREMENT 1 to 2: `usage_report` is what a node agent tells. Both sides import this package; it
imports only the model.
"""
