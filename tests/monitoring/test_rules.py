"""The alert rules: promtool takes them, tests of each are there and pass, and an operator is told what to do next."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.files import FOLDER, RULES, RULES_TEST, Json, alerts
from tests.support.command import ROOT
from tests.support.kubectl import kustomized, only
from tests.support.prometheus import needs_promtool, promtool

DOCS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    """`promtool check rules` finds as many rules as there are, and nothing wrong."""
    assert f"SUCCESS: {len(alerts())} rules found" in promtool("check", "rules", RULES)


@needs_promtool
def test_each_alert_does_what_its_test_says() -> None:
    """`promtool test rules` passes."""
    assert "SUCCESS" in promtool("test", "rules", RULES_TEST)


@needs_promtool
@pytest.mark.parametrize(
    ("right", "wrong"), [("> 60", "> 600"), ("for: 15m", "for: 5m"), ("explain", "status")]
)
def test_a_rule_that_is_wrong_fails_its_test(tmp_path: Path, right: str, wrong: str) -> None:
    """Another threshold, another duration or other words do not pass."""
    (tmp_path / RULES.name).write_text(
        RULES.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8"
    )
    (tmp_path / RULES_TEST.name).write_text(RULES_TEST.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", tmp_path / RULES_TEST.name)


def test_each_alert_is_tested_when_it_fires_and_when_not() -> None:
    """There is a moment of each in the tests at which it fires with its words, and one at which nothing is to fire."""
    moments = [
        moment
        for test in yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
        for moment in test["alert_rule_test"]
    ]
    names = sorted(alert["alert"] for alert in alerts())
    for fires in (True, False):
        tested = {it["alertname"] for it in moments if bool(it.get("exp_alerts")) is fires}
        assert sorted(tested) == names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_is_and_what_to_do_next(alert: Json) -> None:
    """Each has a severity, a summary, what it means and the next command; and a line in the documentation."""
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert sorted(alert["annotations"]) == ["description", "runbook", "summary"]
    assert re.search(r"kubelb-xds|kubectl|curl", alert["annotations"]["runbook"])
    assert f"`{alert['alert']}`" in DOCS


@pytest.mark.parametrize("metric", sorted(set(re.findall(r"kubelb_\w+", RULES.read_text(encoding="utf-8")))))
def test_a_rule_asks_for_what_there_is(metric: str) -> None:
    """Every metric that a rule names is exported, as the documented table is."""
    assert f"| `{metric}` |" in DOCS


def test_the_operators_object_holds_the_same_rules() -> None:
    """The command that the rule file and the documentation name makes a PrometheusRule of the one file."""
    (command,) = re.findall(r"^#   (\(cat .*\)) \| kubectl", RULES.read_text(encoding="utf-8"), re.MULTILINE)
    assert command in DOCS
    done = subprocess.run(command, shell=True, cwd=FOLDER, capture_output=True, text=True, check=True)  # noqa: S602
    made = yaml.safe_load(done.stdout)
    assert (made["kind"], made["metadata"]["name"]) == ("PrometheusRule", "kubelb-xds")
    assert made["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))


async def test_kustomize_takes_the_folder(kube_programs: Path) -> None:
    """It makes a PodMonitor that names the deployment's port, and a ConfigMap with the dashboard."""
    things = await kustomized(kube_programs, FOLDER)
    monitor, config = only(things, "PodMonitor"), only(things, "ConfigMap")
    deployed = only(await kustomized(kube_programs, FOLDER.parent), "Deployment")
    template = deployed["spec"]["template"]
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert monitor["metadata"]["namespace"] == deployed["metadata"]["namespace"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]} <= ports
    assert config["data"]["dashboard.json"] == (FOLDER / "dashboard.json").read_text(encoding="utf-8")


async def test_the_ccms_monitor_fits_its_deployment(kube_programs: Path) -> None:
    """The PodMonitor of a tenant's cluster selects the pods of deploy/ccm/tenant, and a port that they have."""
    monitor = yaml.safe_load((FOLDER / "podmonitor-ccm.yaml").read_text(encoding="utf-8"))
    template = only(await kustomized(kube_programs, FOLDER.parent / "ccm" / "tenant"), "Deployment")["spec"][
        "template"
    ]
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]} <= ports
