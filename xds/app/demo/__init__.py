"""The demo: a control plane, a real Envoy and real backends on one machine, and a table of what each of them saw."""
