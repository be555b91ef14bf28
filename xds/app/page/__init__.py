"""The status page: what is served and what Envoys made of it, for people with a browser. It says what the command line says."""
