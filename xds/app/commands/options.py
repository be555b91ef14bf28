"""What the options of several commands share."""

from collections.abc import Callable
from typing import Annotated, Final, TypeAlias, TypeVar

import typer

from xds.app import settings

_T = TypeVar("_T")

DEFAULTS: Final = settings.ServeSettings()


def parser(parse: Callable[[str], _T]) -> Callable[[str | _T], _T]:
    """Return `parse` for an option, so that what it raises as ValueError is told with the option's name."""

    def parsed(text: str | _T) -> _T:
        try:
            return parse(str(text))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed


VerifyWithoutCa: TypeAlias = Annotated[
    settings.VerifyWithoutCa,
    typer.Option(
        envvar="KUBELB_XDS_VERIFY_WITHOUT_CA",
        help="What policy Verify without a caSecretRef yields: plain TCP, as KubeLB documents, or refused connections.",
    ),
]
CaExpiryWarningDays: TypeAlias = Annotated[
    int,
    typer.Option(
        metavar="DAYS",
        envvar="KUBELB_XDS_CA_EXPIRY_WARNING_DAYS",
        min=0,
        help="How long before its end a CA certificate is warned about.",
    ),
]
LogFormat: TypeAlias = Annotated[
    settings.LogFormat,
    typer.Option(
        envvar="KUBELB_XDS_LOG_FORMAT",
        help="How log lines look; auto is human on a terminal, json elsewhere.",
    ),
]
LogLevel: TypeAlias = Annotated[
    settings.LogLevel,
    typer.Option(envvar="KUBELB_XDS_LOG_LEVEL", help="The lowest level that is logged, to stderr."),
]
