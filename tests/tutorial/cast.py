"""The certificates of the tutorial: what the backend shows, and the CAs that are placed on the management cluster. Made anew at each run."""

from dataclasses import dataclass
from pathlib import Path

from xds.app.demo.certificates import Authority, Identity, self_signed


@dataclass(frozen=True, slots=True)
class Cast:
    """`authority` is the CA of the reference's Secret, `new_authority` the one after its rotation; identities are the backend's."""

    authority: Authority
    new_authority: Authority
    intermediate: Authority
    self_signed: Identity
    issued: Identity
    by_intermediate: Identity
    renewed: Identity

    @classmethod
    def made(cls) -> "Cast":
        """Make all of them."""
        authority, new = Authority("Tutorial CA"), Authority("New CA")
        intermediate = authority.intermediate("Intermediate CA")
        return cls(
            authority=authority,
            new_authority=new,
            intermediate=intermediate,
            self_signed=self_signed("self-signed"),
            issued=authority.issue("by the CA"),
            by_intermediate=intermediate.issue("by the intermediate", send_intermediates=False),
            renewed=new.issue("by the new CA"),
        )

    @staticmethod
    def write(folder: Path, name: str, pem: bytes) -> None:
        """Write a file that a command names."""
        folder.joinpath(name).write_bytes(pem)
