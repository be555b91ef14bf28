"""Objects as they stand: what lists and watches them at an API server, and the store that every source feeds."""
