"""Certificates for the control plane and the tenants' Envoys: what is due, and where it is kept."""

from xds.app.certgen.plan import CA, SERVER, Certificates, Made, Wanted, tenant_entry

__all__ = ["CA", "SERVER", "Certificates", "Made", "Wanted", "tenant_entry"]
