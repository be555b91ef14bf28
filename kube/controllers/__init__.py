"""What is written back: listener ports, conditions, reports, Events. Only the leader writes, but for its own report."""
