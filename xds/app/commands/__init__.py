"""The commands' options and help texts. Each function here reads options, and has another module do the work."""
