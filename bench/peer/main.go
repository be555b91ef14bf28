// Peer is a control plane on go-control-plane that serves what bench.server serves, answers the same control requests, and is
// measured beside it.
//
// It does what a careful user of the library does: the objects are turned into Envoy's messages once, when they change, the CA
// bundle is parsed before it is sent, and one worker feeds the cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

func main() {
	loadBalancers := flag.Int("load-balancers", 1000, "how many, each with a Secret of its own and three endpoints")
	tenant := flag.String("tenant", "tenant-primary", "whose they are: node.cluster of the clients")
	port := flag.Int("port", 18000, "xDS, plaintext on 127.0.0.1")
	controlPort := flag.Int("control-port", 18001, "control requests, on 127.0.0.1: GET /bump?k=K, GET /pid")
	kind := flag.String("cache", "snapshot", "which of the library's caches: snapshot or linear")
	flag.Parse()
	if err := run(*loadBalancers, *tenant, *port, *controlPort, *kind); err != nil {
		log.Fatal(err)
	}
}

func run(loadBalancers int, tenant string, port, controlPort int, kind string) error {
	cacher, err := newCacher(kind, tenant)
	if err != nil {
		return err
	}
	plane, err := newPlane(loadBalancers, tenant, cacher)
	if err != nil {
		return err
	}
	go plane.work()
	// As in the library's own example.
	grpcServer := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000000),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 30 * time.Second, PermitWithoutStream: true}),
	)
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), cacher, nil))
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- grpcServer.Serve(listener) }()
	go func() { failed <- http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", controlPort), plane.control()) }()
	return <-failed
}

// A plane keeps the Secrets, and the worker that turns those that changed into clusters.
type plane struct {
	authority *authority
	tenant    string
	cacher    cacher

	mutex   sync.Mutex
	secrets [][]byte
	dirty   map[int]bool
	serial  uint64
	next    int

	wake chan struct{}
}

func newPlane(loadBalancers int, tenant string, cacher cacher) (*plane, error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	p := &plane{authority: authority, tenant: tenant, cacher: cacher, dirty: map[int]bool{}, wake: make(chan struct{}, 1)}
	access, err := accessLog()
	if err != nil {
		return nil, err
	}
	all := map[resource.Type]map[string]types.Resource{resource.ClusterType: {}, resource.EndpointType: {}, resource.ListenerType: {}}
	for i := range loadBalancers {
		p.secrets = append(p.secrets, p.newSecret())
		name := nameOf(tenant, i)
		if all[resource.ClusterType][name], err = p.cluster(name, p.secrets[i]); err != nil {
			return nil, err
		}
		all[resource.EndpointType][name] = assignmentOf(name)
		if all[resource.ListenerType][name], err = listenerOf(name, uint32(firstListenerPort+i), access); err != nil {
			return nil, err
		}
	}
	return p, cacher.set(all)
}

func (p *plane) newSecret() []byte {
	p.serial++
	return p.authority.certificate(p.serial)
}

func (p *plane) cluster(name string, ca []byte) (types.Resource, error) {
	ca, err := checked(ca)
	if err != nil {
		return nil, fmt.Errorf("%s: ca.crt: %w", name, err)
	}
	return clusterOf(name, ca)
}

// bump replaces the Secrets of the next k LoadBalancers.
func (p *plane) bump(k int) {
	p.mutex.Lock()
	for range k {
		p.secrets[p.next] = p.newSecret()
		p.dirty[p.next] = true
		p.next = (p.next + 1) % len(p.secrets)
	}
	p.mutex.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // it is awake
	}
}

func (p *plane) work() {
	for range p.wake {
		p.mutex.Lock()
		dirty := make(map[int][]byte, len(p.dirty))
		for i := range p.dirty {
			dirty[i] = p.secrets[i]
		}
		clear(p.dirty)
		p.mutex.Unlock()
		changed := map[string]types.Resource{}
		for i, ca := range dirty {
			name := nameOf(p.tenant, i)
			cluster, err := p.cluster(name, ca)
			if err != nil {
				log.Print(err)
				continue
			}
			changed[name] = cluster
		}
		if err := p.cacher.update(changed); err != nil {
			log.Print(err)
		}
	}
}

func (p *plane) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bump", func(w http.ResponseWriter, r *http.Request) {
		k, err := strconv.Atoi(r.URL.Query().Get("k"))
		if err != nil || k < 1 || k > len(p.secrets) {
			http.Error(w, fmt.Sprintf("k is to be a number from 1 to %d", len(p.secrets)), http.StatusBadRequest)
			return
		}
		p.bump(k)
	})
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	return mux
}
