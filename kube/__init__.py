"""The Kubernetes side: objects, the informer that holds them, and the sources that feed it. Knows nothing of Envoy."""
