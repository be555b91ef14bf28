"""Objects as they stand: the store that every source feeds and every consumer listens to."""
