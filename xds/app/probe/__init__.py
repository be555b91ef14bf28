"""Dials a LoadBalancer's backends as its Envoys would, and says of each what came of that and why."""
