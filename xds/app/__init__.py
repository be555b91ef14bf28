"""The program around the library: settings, wiring, command line, demo."""
