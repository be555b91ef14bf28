"""What operators and their machinery ask a running control plane: how it is, what it serves, and what each Envoy made of that.

Everything is imported from its own module: the ops listener loads neither gRPC nor Envoy's messages, the command line no services.
"""
