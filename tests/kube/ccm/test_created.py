"""A Service of the tenant's becomes a LoadBalancer in the management cluster, and its address comes back: on two real API servers."""

from tests.kube.ccm.clusters import CA, FINALIZER, POLICY, Clusters

NODE = ("ExternalIP", "192.0.2.1")


async def test_a_service_becomes_a_loadbalancer(clusters: Clusters) -> None:
    """Its name is the Service's uid, its endpoints are the nodes at the Service's node ports, and its labels say where it comes from."""
    await clusters.node("one", NODE)
    async with clusters.ccm():
        made = await clusters.create(
            annotations={
                POLICY: "Verify",
                CA: "my-backend-ca",
                "example.com/kept": "yes",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            sessionAffinity="ClientIP",
            ports=[{"name": "https", "port": 443}, {"name": "dns", "port": 53, "protocol": "UDP"}],
        )
        copy = await clusters.copied(made)
        node_ports = {port["name"]: port["nodePort"] for port in made["spec"]["ports"]}
        assert copy["spec"] == {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "persistence": {"type": "SourceIP"},
            "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "my-backend-ca"}},
            "endpoints": [
                {
                    "addressesReference": {"name": "default"},
                    "ports": [
                        {"name": "https", "port": node_ports["https"], "protocol": "TCP"},
                        {"name": "dns", "port": node_ports["dns"], "protocol": "UDP"},
                    ],
                }
            ],
            "ports": [
                {"name": "https", "port": 443, "protocol": "TCP"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
            ],
        }
        assert copy["metadata"]["labels"] == {
            "kubelb.k8c.io/origin-name": "web",
            "kubelb.k8c.io/origin-ns": clusters.namespace,
            "kubelb.k8c.io/tenant": clusters.home,
            "kubelb.k8c.io/managed-by": "kubelb-ccm",
        }
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
        uid = (await clusters.tenant.get(home))["metadata"]["uid"]
        assert copy["metadata"]["annotations"] == {
            "example.com/kept": "yes",
            "kubelb.k8c.io/tenant-cluster": uid,
        }
        assert await clusters.listed(bool) == [{"ip": "192.0.2.1"}]
        found = await clusters.became(made, lambda it: bool(it["metadata"].get("finalizers")))
        assert FINALIZER in found["metadata"]["finalizers"]
        # The tenant's Service keeps its annotations.
        assert found["metadata"]["annotations"][POLICY] == "Verify"


async def test_a_port_without_a_name_gets_one(clusters: Clusters) -> None:
    """It is called after its number and its protocol."""
    async with clusters.ccm():
        made = await clusters.create(ports=[{"port": 8443}])
        copy = await clusters.copied(made)
        assert [port["name"] for port in copy["spec"]["ports"]] == ["8443-tcp"]
        assert [port["name"] for port in copy["spec"]["endpoints"][0]["ports"]] == ["8443-tcp"]


async def test_the_address_comes_back(clusters: Clusters) -> None:
    """What the LoadBalancer's status says is the Service's external address, whatever the API server adds to it."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        await clusters.copied(made)
        await clusters.address(made, {"ip": "203.0.113.7"}, {"hostname": "lb.example.com"})
        found = await clusters.became(made, lambda it: bool(it["status"]["loadBalancer"]))
        assert found["status"]["loadBalancer"]["ingress"] == [
            {"ip": "203.0.113.7", "ipMode": "VIP"},
            {"hostname": "lb.example.com"},
        ]
        await running.settled()
        sent = len(running.sent)
        await clusters.address(made)
        await clusters.became(made, lambda it: not it["status"]["loadBalancer"])
        await running.settled()
        assert len(running.sent) == sent + 1


async def test_other_services_are_left_alone(clusters: Clusters) -> None:
    """A ClusterIP and a NodePort Service get neither a LoadBalancer nor a finalizer."""
    async with clusters.ccm() as running:
        others = [await clusters.create("a", kind="ClusterIP"), await clusters.create("b", kind="NodePort")]
        made = await clusters.create("c")
        await clusters.copied(made)
        await running.settled()
        for other in others:
            assert await clusters.find(clusters.management, clusters.copy_of(other)) == {}
            assert "finalizers" not in (await clusters.tenant.get(other))["metadata"]


async def test_only_services_of_its_class_with_the_flag(clusters: Clusters) -> None:
    """With ``--use-loadbalancer-class`` a Service of another class, or of none, is somebody else's."""
    async with clusters.ccm(by_class=True) as running:
        others = [await clusters.create("a"), await clusters.create("b", loadBalancerClass="other")]
        made = await clusters.create("c", loadBalancerClass="kubelb")
        await clusters.copied(made)
        await running.settled()
        for other in others:
            assert await clusters.find(clusters.management, clusters.copy_of(other)) == {}
