"""What the control plane writes back: listener ports, conditions, Services. Only the leader writes, but for its own report."""
