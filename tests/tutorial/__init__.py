"""The reference's tutorial, followed literally with kubectl on two real API servers: `make demo-kubernetes`, and a test."""
