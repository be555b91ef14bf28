package main

import (
	"context"
	"fmt"
	"strconv"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// A cacher is one of the library's caches as its users feed it.
type cacher interface {
	cache.Cache
	// set makes these all that there is of every type; it is called once, and first.
	set(all map[resource.Type]map[string]types.Resource) error
	// update replaces clusters.
	update(changed map[string]types.Resource) error
}

func newCacher(kind, tenant string) (cacher, error) {
	switch kind {
	case "snapshot":
		return newSnapshots(tenant), nil
	case "linear":
		return newLinear(), nil
	}
	return nil, fmt.Errorf("--cache %q: it is snapshot or linear", kind)
}

// byCluster names a node's snapshot: all Envoys of a tenant share one, which is the least that the cache can have to do.
type byCluster struct{}

func (byCluster) ID(node *core.Node) string { return node.GetCluster() }

// snapshots is the snapshot cache in ADS mode, which the library's documentation begins with and most control planes use, KubeLB's
// among them. Only the type that changes gets a new version, and what did not change is handed over as it is.
type snapshots struct {
	cache.SnapshotCache
	tenant   string
	version  int
	now      cache.Snapshot
	clusters map[string]types.Resource
}

func newSnapshots(tenant string) *snapshots {
	return &snapshots{SnapshotCache: cache.NewSnapshotCache(true, byCluster{}, nil), tenant: tenant}
}

func (s *snapshots) set(all map[resource.Type]map[string]types.Resource) error {
	s.clusters = all[resource.ClusterType]
	for typeURL, resources := range all {
		s.now.Resources[cache.GetResponseType(typeURL)] = cache.NewResources("0", values(resources))
	}
	return s.publish()
}

func (s *snapshots) update(changed map[string]types.Resource) error {
	for name, cluster := range changed {
		s.clusters[name] = cluster
	}
	s.version++
	s.now.Resources[types.Cluster] = cache.NewResources(strconv.Itoa(s.version), values(s.clusters))
	return s.publish()
}

func (s *snapshots) publish() error {
	return s.SetSnapshot(context.Background(), s.tenant, &cache.Snapshot{Resources: s.now.Resources})
}

func values(resources map[string]types.Resource) []types.Resource {
	out := make([]types.Resource, 0, len(resources))
	for _, each := range resources {
		out = append(out, each)
	}
	return out
}

// linear is a linear cache for each type behind the library's multiplexer.
type linear struct {
	cache.MuxCache
	types map[resource.Type]*cache.LinearCache
}

func newLinear() *linear {
	out := &linear{types: map[resource.Type]*cache.LinearCache{}}
	out.Classify = func(request *cache.Request) string { return request.GetTypeUrl() }
	out.ClassifyDelta = func(request *cache.DeltaRequest) string { return request.GetTypeUrl() }
	out.Caches = map[string]cache.Cache{}
	for _, typeURL := range []resource.Type{resource.ClusterType, resource.EndpointType, resource.ListenerType} {
		out.types[typeURL] = cache.NewLinearCache(typeURL)
		out.Caches[typeURL] = out.types[typeURL]
	}
	return out
}

func (l *linear) set(all map[resource.Type]map[string]types.Resource) error {
	for typeURL, resources := range all {
		l.types[typeURL].SetResources(resources)
	}
	return nil
}

func (l *linear) update(changed map[string]types.Resource) error {
	return l.types[resource.ClusterType].UpdateResources(changed, nil)
}
