"""Every reason that a condition of this program gives, by the condition's type.

A reason that is not listed here is an error of mypy's wherever one is given, and one that README's table of conditions does not
explain fails a test. Reasons of warnings are in the log and in Events: the condition stays True, and its message has their texts.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

AcceptedReason: TypeAlias = Literal[
    "Accepted",
    # The LoadBalancer itself.
    "CASecretRefRequired",
    "Invalid",
    "NotFirstEndpointGroup",
    "PortConflict",
    "PortNotListed",
    "PortWithoutEndpoint",
    "ReservedPort",
    "UnknownProxyProtocol",
    "UnknownUpstreamTLSPolicy",
    "UnspecifiedAddress",
    # What is made for it.
    "ListenerPortsExhausted",
    "PortLedgerFull",
    "ServiceNameTaken",
    "ServiceRefused",
    # Warnings.
    "AddressesOverridden",
    "CASecretIgnored",
    "HostnameIgnored",
    "ProxyProtocolNotForUDP",
    "TLSNotForUDP",
]
ResolvedRefsReason: TypeAlias = Literal[
    "ResolvedRefs",
    "AddressesNotFound",
    "InvalidCACertificateRef",
    "UnspecifiedAddress",
    # Warnings.
    "ByteOrderMark",
    "CACertificateExpired",
    "CACertificateNotYetValid",
    "CRLExpired",
    "CRLMissing",
    "CRLNotYetValid",
    "CRLUnusable",
    "JoinedPEMBlocks",
    "NotACACertificate",
    "PrivateKeyInCABundle",
    "UnexpectedPEMBlock",
    "UnreadableExtensions",
    "UnusualPEMLayout",
]
ProgrammedReason: TypeAlias = Literal["Programmed", "Rejected", "NoEnvoyConnected", "NoAnswer", "NotServed"]
ExpiringReason: TypeAlias = Literal["CACertificateExpiring", "CRLExpiring"]
PassingReason: TypeAlias = Literal["PortNotAllocated"]
"""What only the log says: the leader allocates the port a moment later, and who only reads writes no condition."""

Reason: TypeAlias = AcceptedReason | ResolvedRefsReason | ProgrammedReason | ExpiringReason | PassingReason

REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Accepted": get_args(AcceptedReason),
    "ResolvedRefs": get_args(ResolvedRefsReason),
    "Programmed": get_args(ProgrammedReason),
    "CACertificateExpiring": get_args(ExpiringReason),
}
"""Type of a condition → its reasons."""
