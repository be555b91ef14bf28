// Load is many Envoys that subscribe to all clusters and ACK everything, and the clock beside them.
//
// Each has a connection of its own. Several servers are measured by turns, so that all of them meet the same moods of the machine.
// It prints a line of JSON for each thing that it measured.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"sync"
	"time"
)

const usage = `usage: load [flags] NAME=HOST:PORT,HOST:CONTROLPORT ...

Each server gets its streams, one server after the other, and then its bumps, by turns. Lines of JSON:

  {"server": NAME, "what": "connected", "seconds", "cpu_ms", "memory_mb", "peak_mb"}   from the first connect to all clusters on all streams
  {"server": NAME, "what": "bump", "first_ms", "p50_ms", "p99_ms", "last_ms"}   from the control request to the streams
  {"server": NAME, "what": "done", "bumps", "cpu_ms" (a bump), "memory_mb", "peak_mb"}

flags:
`

type options struct {
	streams, clusters, bumps, warmup, k int
	tenant                              string
	variant                             variant
	patience                            time.Duration
}

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	var o options
	flag.IntVar(&o.streams, "streams", 100, "for each server")
	flag.IntVar(&o.clusters, "clusters", 1000, "that each server has")
	flag.IntVar(&o.bumps, "bumps", 20, "that are measured, for each server")
	flag.IntVar(&o.warmup, "warmup", 3, "bumps before these")
	flag.IntVar(&o.k, "k", 1, "clusters that a bump changes")
	flag.StringVar(&o.tenant, "tenant", "tenant-primary", "node.cluster")
	flag.DurationVar(&o.patience, "patience", 2*time.Minute, "for all streams to have what is due")
	name := flag.String("variant", "delta", "delta or sotw")
	flag.Parse()
	found := false
	if o.variant, found = variants[*name]; !found {
		log.Fatalf("--variant %q: it is delta or sotw", *name)
	}
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(o options, texts []string) error {
	var fleets []*fleet
	for _, text := range texts {
		server, err := newServer(text)
		if err != nil {
			return err
		}
		f := &fleet{server: server, options: o, failed: make(chan error, o.streams)}
		if err := f.connect(); err != nil {
			return fmt.Errorf("%s: %w", server.name, err)
		}
		fleets = append(fleets, f)
	}
	began := make([]time.Duration, len(fleets))
	for n := -o.warmup; n < o.bumps; n++ {
		for i, f := range fleets {
			if n == 0 {
				var err error
				if began[i], err = f.server.settle(); err != nil {
					return err
				}
			}
			if err := f.bump(n >= 0); err != nil {
				return fmt.Errorf("%s: %w", f.server.name, err)
			}
		}
	}
	for i, f := range fleets {
		ended, err := f.server.settle()
		if err != nil {
			return err
		}
		memory, peak, err := f.server.memory()
		if err != nil {
			return err
		}
		say(map[string]any{
			"server": f.server.name, "what": "done", "bumps": o.bumps,
			"cpu_ms": ms(ended-began[i]) / float64(o.bumps), "memory_mb": memory, "peak_mb": peak,
		})
	}
	return nil
}

// A fleet is the streams to one server.
type fleet struct {
	server  *server
	options options
	failed  chan error

	mutex   sync.Mutex
	due     int // resources, or full responses, that each stream waits for
	waiting int
	arrived []time.Time
	done    chan struct{}
}

// expect begins to wait until each stream has got so much.
func (f *fleet) expect(due int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.due, f.waiting, f.done = due, f.options.streams, make(chan struct{})
	f.arrived = f.arrived[:0]
}

func (f *fleet) wait() error {
	select {
	case <-f.done:
		return nil
	case err := <-f.failed:
		return err
	case <-time.After(f.options.patience):
		f.mutex.Lock()
		defer f.mutex.Unlock()
		return fmt.Errorf("%d of %d streams have not got what is due after %s", f.waiting, f.options.streams, f.options.patience)
	}
}

func (f *fleet) connect() error {
	before, err := f.server.settle()
	if err != nil {
		return err
	}
	f.expect(f.options.clusters)
	began := time.Now()
	for i := range f.options.streams {
		go func() { f.failed <- f.stream(fmt.Sprintf("envoy-%d", i)) }()
	}
	if err := f.wait(); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := f.server.settle()
	if err != nil {
		return err
	}
	memory, peak, err := f.server.memory()
	if err != nil {
		return err
	}
	say(map[string]any{
		"server": f.server.name, "what": "connected", "seconds": took.Seconds(), "cpu_ms": ms(after - before), "memory_mb": memory, "peak_mb": peak,
	})
	return nil
}

// stream is one Envoy, for life.
func (f *fleet) stream(id string) error {
	variant := f.options.variant
	var c *call
	got := 0
	var ack []byte
	s := &scanner{variant: variant}
	s.complete = func(s *scanner) error {
		now := time.Now()
		got += s.resources
		got = f.take(got, now)
		ack = variant.ack(ack[:0], s.version, s.nonce)
		return c.send(ack)
	}
	c, err := open(f.server.address, variant.method, s.scan)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if err := c.send(variant.first(id, f.options.tenant)); err != nil {
		return err
	}
	return errors.Join(c.read(), errors.New("no stream is to end"))
}

// take counts what a stream has got: whoever has all that is due begins to count anew.
func (f *fleet) take(got int, now time.Time) int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if got < f.due {
		return got
	}
	f.arrived = append(f.arrived, now)
	if f.waiting--; f.waiting == 0 {
		close(f.done)
	}
	return 0
}

func (f *fleet) bump(counts bool) error {
	due := f.options.k
	if f.options.variant.requestVersion != 0 {
		due = f.options.clusters // state of the world: everything comes again
	}
	f.expect(due)
	began := time.Now()
	if _, err := f.server.ask(fmt.Sprintf("/bump?k=%d", f.options.k)); err != nil {
		return err
	}
	if err := f.wait(); err != nil {
		return err
	}
	if _, err := f.server.settle(); err != nil {
		return err
	}
	if !counts {
		return nil
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	slices.SortFunc(f.arrived, time.Time.Compare)
	at := func(share float64) float64 {
		return ms(f.arrived[int(share*float64(len(f.arrived)-1)+0.5)].Sub(began))
	}
	say(map[string]any{
		"server": f.server.name, "what": "bump", "first_ms": at(0), "p50_ms": at(0.5), "p99_ms": at(0.99), "last_ms": at(1),
	})
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func say(line map[string]any) {
	// Numbers and texts do not fail.
	_ = json.NewEncoder(os.Stdout).Encode(line)
}
