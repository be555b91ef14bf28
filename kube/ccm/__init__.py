"""The tenant's side: a Service of the tenant's cluster becomes a LoadBalancer in the management cluster, and its status comes back.

Does not know Envoy.
"""
