import json
from pathlib import Path

from tests.support.command import run
from tests.xds.app.manifests import loadbalancer, verify, write


def test_all_well_is_0(tmp_path: Path) -> None:
    """A folder that is served as it is written is shown, and the exit code is 0."""
    done = run("validate", str(write(tmp_path, "web.yaml", loadbalancer("web"))))
    assert (done.returncode, done.stderr) == (0, "")
    assert "20001 → 8443 TCP" in done.stdout
    assert done.stdout.endswith("1 LoadBalancer, 0 errors, 0 warnings\n")


def test_something_wrong_is_1_and_json_is_json(tmp_path: Path) -> None:
    """With `-o json` stdout holds one JSON document and nothing else, also when files are broken; the exit code is 1."""
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    done = run(
        "validate", "-o", "json", str(write(tmp_path, "web.yaml", loadbalancer("web", tls=verify("ca"))))
    )
    shown = json.loads(done.stdout)
    assert (done.returncode, done.stderr, shown["ok"]) == (1, "", False)
    assert shown["loadBalancers"][0]["ports"][0]["tls"] == "fail-closed"


def test_options_reach_the_translation(tmp_path: Path) -> None:
    """`--verify-without-ca fail-closed` is heeded, from the environment as well."""
    folder = str(write(tmp_path, "web.yaml", loadbalancer("web", tls={"policy": "Verify"})))
    done = run("validate", "-o", "json", folder, KUBELB_XDS_VERIFY_WITHOUT_CA="fail-closed")
    assert json.loads(done.stdout)["loadBalancers"][0]["ports"][0]["tls"] == "fail-closed"


def test_a_folder_that_is_none_is_2(tmp_path: Path) -> None:
    """A folder that is not there is misuse: exit code 2 and one line that names it."""
    done = run("validate", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / 'none'} does not exist" in done.stderr
    assert done.stderr.count("\n") == 1
