"""Where objects come from. Each source feeds the same store, and knows nothing of who reads it."""
