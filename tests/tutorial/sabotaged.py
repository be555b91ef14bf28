"""Plays the tutorial with a program that is broken on purpose: `python -m tests.tutorial.sabotaged NAME`."""

import sys
from collections.abc import Mapping
from typing import Final
from unittest import mock

from tests.tutorial.run import run_tutorial
from tests.tutorial.stage import COMMANDS

_PATCHED = """
import sys
from unittest import mock
from xds.app.cli import main
{imports}

with mock.patch({target!r}, {instead}):
    sys.exit(main())
"""

SABOTAGES: Final[Mapping[str, Mapping[str, str]]] = {
    # The control plane drops TLS on the way to every backend.
    "plaintext": {
        "serve": _PATCHED.format(
            imports="from tests.support.sabotaged_demo import SABOTAGES\nfrom xds.translate import translate",
            target="xds.app.pipeline.translate",
            instead="SABOTAGES['plaintext'](translate)",
        )
    },
    # The CCM tells nobody what the control plane says.
    "silent": {
        "ccm": _PATCHED.format(
            imports="from kube.ccm import reconciler",
            target="kube.ccm.reconciler.events",
            instead="lambda *_: ()",
        )
    },
}
"""Which programs are replaced, by the sabotage's name."""

PATIENCE: Final = 12.0
"""Seconds to wait for what will not come: what comes takes one or two."""

if __name__ == "__main__":
    with (
        mock.patch("tests.tutorial.shell.BOUND", PATIENCE),
        mock.patch("tests.tutorial.stage.BOUND", PATIENCE),
    ):
        sys.exit(run_tutorial(commands={**COMMANDS, **SABOTAGES[sys.argv[1]]}))
