package main

// One client: a connection and an aggregated stream of its own, as each Envoy has, which subscribes and answers as Envoy does, and
// breaks, hangs and refuses when it is told to.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"sort"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const window = 65535 // bytes that the server may send ahead of a client that does not read

// gated is a connection whose reading can be stopped, and which can be broken.
type gated struct {
	*net.TCPConn
	client *client
}

func (g gated) Read(into []byte) (int, error) {
	g.client.wait(func() bool { return g.client.frozen })
	return g.TCPConn.Read(into)
}

type client struct {
	id      int
	tenant  string
	delta   bool
	address string
	crowd   *crowd

	// What it is told to do, and its connection; changed is closed and made anew whenever any of it changes.
	mutex     sync.Mutex
	changed   chan struct{}
	present   bool // it is to be connected
	hanging   bool // it takes no response from the stream
	frozen    bool // it takes no byte from the connection
	forgetful bool // it is to connect as one that holds nothing
	refusing  string
	conn      *net.TCPConn
	cancel    context.CancelFunc

	// What it holds: its own goroutine's, and others' under state.
	state     sync.Mutex
	views     map[string]*view
	connected bool
	arrived   time.Time // the last response that changed clusters
	history   []string  // the last responses
}

func newClient(id int, tenant string, delta bool, address string, crowd *crowd) *client {
	c := &client{id: id, tenant: tenant, delta: delta, address: address, crowd: crowd, changed: make(chan struct{})}
	c.forget()
	return c
}

func (c *client) forget() {
	c.views = map[string]*view{}
	for _, typeURL := range []string{clusters, endpoints, listeners} {
		c.views[typeURL] = newView(typeURL, c.delta)
	}
}

// tell changes what the client is to do.
func (c *client) tell(change func()) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait returns once a condition does not hold.
func (c *client) wait(while func() bool) {
	for {
		c.mutex.Lock()
		holds, changed := while(), c.changed
		c.mutex.Unlock()
		if !holds {
			return
		}
		<-changed
	}
}

// live connects whenever it is to, for ever.
func (c *client) live() {
	for {
		c.wait(func() bool { return !c.present })
		err := c.session()
		c.state.Lock()
		c.connected = false
		for _, view := range c.views {
			view.disconnect()
		}
		c.state.Unlock()
		c.crowd.ended(err)
		time.Sleep(time.Duration(100+rand.Intn(400)) * time.Millisecond) // as Envoy, which waits longer yet
	}
}

func (c *client) session() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.mutex.Lock()
	present, forgetful := c.present, c.forgetful
	c.cancel, c.forgetful = cancel, false
	c.mutex.Unlock()
	if !present {
		return context.Canceled
	}
	if forgetful {
		c.state.Lock()
		c.forget()
		c.state.Unlock()
	}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		c.tell(func() { c.conn = conn.(*net.TCPConn) })
		return gated{conn.(*net.TCPConn), c}, nil
	}
	channel, err := grpc.NewClient("passthrough:///"+c.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dial),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithReadBufferSize(4096), grpc.WithWriteBufferSize(4096), grpc.WithSharedWriteBuffer(true),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
	)
	if err != nil {
		return err
	}
	defer channel.Close()
	method := "StreamAggregatedResources"
	if c.delta {
		method = "DeltaAggregatedResources"
	}
	stream, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/envoy.service.discovery.v3.AggregatedDiscoveryService/"+method,
		grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(1<<28))
	if err != nil {
		return err
	}
	c.state.Lock()
	c.connected = true
	requests := c.greeting()
	c.state.Unlock()
	for {
		for _, each := range requests {
			if err := stream.SendMsg(each.encode(c.delta)); err != nil {
				// What ended the stream is told to who reads.
				return stream.RecvMsg(&[]byte{})
			}
		}
		c.wait(func() bool { return c.hanging && c.present })
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		parsed, err := parse(message, c.delta)
		if err != nil {
			c.crowd.fault(c, "", err.Error())
			return err
		}
		c.state.Lock()
		requests = c.take(parsed)
		c.state.Unlock()
	}
}

// greeting returns the first requests of a stream: all types at once where something is held, else the clusters.
func (c *client) greeting() []request {
	requests := []request{c.begin(clusters)}
	if len(c.views[clusters].holds)+len(c.views[listeners].holds) > 0 {
		if len(c.views[endpoints].names) > 0 {
			requests = append(requests, c.begin(endpoints))
		}
		requests = append(requests, c.begin(listeners))
	}
	requests[0].tenant, requests[0].node = c.tenant, fmt.Sprintf("envoy-%d", c.id)
	return requests
}

// begin returns the first request of a type.
func (c *client) begin(typeURL string) request {
	v := c.views[typeURL]
	v.started = true
	begun := request{typeURL: typeURL, names: sorted(v.names)}
	if !c.delta {
		begun.version = v.version
	} else {
		begun.have = map[string]string{}
		for name, held := range v.holds {
			begun.have[name] = held.version
		}
	}
	for name := range v.names {
		// Rule 23: what a delta client says that it has is not sent.
		_, has := v.holds[name]
		v.asked[name] = !c.delta || !has
	}
	return begun
}

// take judges and applies a response, and returns the requests that follow.
func (c *client) take(r response) []request {
	v := c.views[r.typeURL]
	if v == nil || !v.started {
		c.crowd.fault(c, r.typeURL, "a type that was never asked for")
		return nil
	}
	found := v.judge(r)
	c.remember(v, r)
	c.crowd.count(c, r, found)
	if found.changed && r.typeURL == clusters {
		c.arrived = time.Now()
	}
	answer := request{typeURL: r.typeURL, nonce: r.nonce}
	c.mutex.Lock()
	refusing := c.refusing
	c.mutex.Unlock()
	refused := map[string]bool{}
	if refusing != "" && r.typeURL == clusters {
		for _, one := range r.items {
			if strings.Contains(one.name, refusing) {
				refused[one.name] = true
			}
		}
	}
	if r.typeURL == clusters {
		for _, one := range v.brings(r) {
			if one.eds != "" {
				c.views[endpoints].warming[one.eds] = true
			}
		}
	}
	var before []request
	whole := len(refused) > 0 && c.id%3 == 0
	if whole {
		v.refuse(r)
		answer.refusal = "refused as a whole"
	} else {
		v.apply(r, refused)
		if r.typeURL == clusters {
			before = c.follow()
		}
	}
	if len(refused) > 0 {
		c.crowd.refusals.Add(1)
		if !whole {
			texts := []string{}
			for _, name := range sorted(refused) {
				texts = append(texts, name+": refused by the soak")
			}
			answer.refusal = "Error adding/updating cluster(s) " + strings.Join(texts, ", ")
			v.again = v.full
			for _, one := range r.items {
				if !refused[one.name] {
					v.repeat[one.name] = true
				}
			}
			for _, name := range r.removed {
				v.repeat[name] = true
			}
		}
	} else {
		v.version = r.version
	}
	v.unsure = v.full && (len(refused) > 0)
	if !c.delta {
		answer.names, answer.version = sorted(v.names), v.version
	}
	return append(before, answer)
}

// remember keeps the last responses in words, which are told with a fault: which names were new in each, of how many.
func (c *client) remember(v *view, r response) {
	differ := map[string]bool{}
	for _, one := range r.items {
		if had, holds := v.holds[one.name]; !holds || had.content != one.content {
			differ[one.name] = true
		}
	}
	short := r.typeURL[strings.LastIndex(r.typeURL, ".")+1:]
	words := fmt.Sprintf("%s %s: %v of %d", short, r.nonce, sorted(differ), len(r.items))
	c.history = append(c.history[max(0, len(c.history)-11):], words)
}

// follow subscribes to the endpoints of the clusters that are held, and to listeners, as Envoy does once it has clusters.
func (c *client) follow() []request {
	e, l := c.views[endpoints], c.views[listeners]
	wanted := map[string]bool{}
	for _, cluster := range c.views[clusters].holds {
		if cluster.eds != "" {
			wanted[cluster.eds] = true
		}
	}
	var added, dropped []string
	for name := range wanted {
		if !e.names[name] {
			added = append(added, name)
			e.asked[name] = true
		}
	}
	for name := range e.names {
		if !wanted[name] {
			dropped = append(dropped, name)
			e.dropped[name] = time.Now()
			delete(e.holds, name)
			delete(e.asked, name)
			delete(e.refused, name)
		}
	}
	e.names = wanted
	var requests []request
	switch {
	case len(added)+len(dropped) == 0:
	case !e.started:
		requests = append(requests, c.begin(endpoints))
	case c.delta:
		requests = append(requests, request{typeURL: endpoints, names: added, unsubscribe: dropped})
	default:
		requests = append(requests,
			request{typeURL: endpoints, names: sorted(wanted), version: e.version, nonce: e.nonce})
	}
	if !l.started {
		requests = append(requests, c.begin(listeners))
	}
	return requests
}

// leave ends the connection: by a reset, by closing it without a word, or in good order.
func (c *client) leave(how string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case c.cancel == nil: // it never came
	case c.conn == nil || how == "cancel":
		c.cancel()
	case how == "reset":
		c.conn.SetLinger(0)
		c.conn.Close()
	default:
		c.conn.Close()
	}
	c.conn = nil
}

func sorted(names map[string]bool) []string {
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

// code returns how a stream ended: a server that ends it in good order says OK.
func code(err error) string {
	if errors.Is(err, io.EOF) {
		return "OK"
	}
	return status.Code(err).String()
}
