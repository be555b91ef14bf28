"""The reference's tutorial with the real kubectl on two real API servers: `make demo-kubernetes`, and its test.

It is no part of the package: the API servers are built from a checkout.
"""
