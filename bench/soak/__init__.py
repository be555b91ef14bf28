"""The soak: one server, many clients, and everything that goes wrong in a year of operation within minutes."""
