"""The project's own gRPC services, and what makes Python of them."""
