"""Use cases: what staff, patients, the scheduler and commands do, each in the transaction of its caller."""
