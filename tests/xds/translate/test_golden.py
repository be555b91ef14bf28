"""Every golden input becomes its golden output.

`pytest tests/xds/translate/test_golden.py --update-golden` writes the outputs anew; read the diff before you
commit it.
"""

import pytest

from tests.xds.translate.golden import FOLDER, Case, cases, rendered, text_of

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Case, request: pytest.FixtureRequest) -> None:
    """The translation of input.yaml is output.yaml, to the last field."""
    output = rendered(case.translations())
    if request.config.getoption("--update-golden"):
        case.output.write_text(text_of(output), encoding="utf-8")

    assert output == case.expected()


def test_nothing_else_lies_in_the_folder() -> None:
    """Every file under tests/golden belongs to a case: an output without its input is a forgotten one."""
    known = {"input.yaml", "output.yaml", "options.yaml"}
    files = {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file()}

    strays = {path for path in files if len(path.parts) != 2 or path.name not in known}
    inputs = {path.parent for path in files if path.name == "input.yaml"}
    orphans = {path for path in files if path.parent not in inputs}

    assert strays | orphans == set()


def test_cases_fit_into_one_envoy() -> None:
    """No two cases share a resource's name or a listener's address, so that one Envoy can serve all."""
    seen: dict[object, str] = {}
    for case in CASES:
        expected = case.expected()
        for kind in ("clusters", "assignments", "listeners"):
            for resource in expected[kind]:
                name = resource.get("name") or resource["cluster_name"]
                assert seen.setdefault((kind, name), case.name) == case.name
        for listener in expected["listeners"]:
            address = listener["address"]["socket_address"]
            listen = (address.get("protocol", "TCP"), address["port_value"])
            assert seen.setdefault(listen, case.name) == case.name
