// crowd is many clients of a discovery server that behave as Envoy does, until they are told to behave badly.
//
// It reads commands, one JSON object a line, and answers each with one. Which client does what is the caller's choice; what a client
// holds, and whether a response was needed, is judged here.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

type crowd struct {
	clients  []*client
	refusals atomic.Int64

	mutex     sync.Mutex
	responses int64
	resources int64
	changed   int64
	why       [reasons]int64 // responses that changed nothing
	held      [reasons]int64 // resources that were held already, in any response
	faults    []string
	faulty    int64
	ends      map[string]int64
}

const shown = 20

func (c *crowd) count(from *client, r response, found verdict) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.responses++
	c.resources += int64(len(r.items))
	least := reasons
	for why, times := range found.why {
		c.held[why] += int64(times)
		least = min(least, why)
	}
	if found.changed {
		c.changed++
	} else {
		c.why[least]++
	}
	if found.fault != "" {
		seen := strings.Join(from.history, "; ")
		c.note(from, r.typeURL, fmt.Sprintf("response %s: %s; refusing %q; seen %s", r.nonce, found.fault, from.refusing, seen))
	}
}

func (c *crowd) fault(from *client, typeURL, text string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.note(from, typeURL, text)
}

func (c *crowd) note(from *client, typeURL, text string) {
	c.faulty++
	if len(c.faults) < shown {
		variant := map[bool]string{true: "delta", false: "sotw"}[from.delta]
		short := typeURL[strings.LastIndex(typeURL, ".")+1:]
		c.faults = append(c.faults, fmt.Sprintf("%s envoy-%d (%s) %s: %s", from.tenant, from.id, variant, short, text))
	}
}

func (c *crowd) ended(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.ends[code(err)]++
}

// content returns what a client holds, as one hash: of each resource a line with type, name and hash, in their order.
func (c *client) content() string {
	c.state.Lock()
	defer c.state.Unlock()
	var lines []string
	for typeURL, view := range c.views {
		for name, held := range view.holds {
			lines = append(lines, fmt.Sprintf("%s %s %s\n", typeURL, name, hex.EncodeToString(held.content[:])))
		}
	}
	sort.Strings(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

type command struct {
	Do      string            `json:"do"`
	IDs     []int             `json:"ids"`
	How     string            `json:"how"`
	Names   string            `json:"names"`
	Content map[string]string `json:"content"`
}

type answer map[string]any

func (c *crowd) do(order command) answer {
	each := func(do func(*client)) {
		for _, id := range order.IDs {
			do(c.clients[id])
		}
	}
	switch order.Do {
	case "connect":
		each(func(one *client) { one.tell(func() { one.present = true }) })
	case "leave": // and stay away until told to connect
		each(func(one *client) { one.tell(func() { one.present = false }); one.leave(order.How) })
	case "reconnect": // break and come back, knowing what it held
		each(func(one *client) { one.leave(order.How) })
	case "forget": // connect the next time as an Envoy that starts anew
		each(func(one *client) { one.tell(func() { one.forgetful = true }) })
	case "hang":
		each(func(one *client) { one.tell(func() { one.hanging = true }) })
	case "freeze":
		each(func(one *client) { one.tell(func() { one.frozen = true }) })
	case "go on":
		each(func(one *client) { one.tell(func() { one.hanging, one.frozen = false, false }) })
	case "refuse": // clusters with this in their name; "" for none
		each(func(one *client) { one.tell(func() { one.refusing = order.Names }) })
	case "compare":
		return c.compare(order)
	case "arrivals":
		return c.arrivals(order)
	case "status":
		return c.status()
	default:
		return answer{"error": "unknown command " + order.Do}
	}
	return answer{}
}

// compare returns how many of the clients are connected and hold exactly the content that their tenant is to have, and some that do not.
func (c *crowd) compare(order command) answer {
	same, others := 0, []string{}
	for _, id := range order.IDs {
		one := c.clients[id]
		one.state.Lock()
		connected := one.connected
		one.state.Unlock()
		if connected && one.content() == order.Content[one.tenant] {
			same++
		} else if len(others) < shown {
			others = append(others, fmt.Sprintf("%s envoy-%d delta=%t connected=%t", one.tenant, one.id, one.delta, connected))
		}
	}
	return answer{"same": same, "others": others}
}

// arrivals returns when each of the clients got its last change of clusters, in seconds since 1970, sorted.
func (c *crowd) arrivals(order command) answer {
	var times []float64
	for _, id := range order.IDs {
		one := c.clients[id]
		one.state.Lock()
		times = append(times, float64(one.arrived.UnixNano())/1e9)
		one.state.Unlock()
	}
	sort.Float64s(times)
	return answer{"at": times}
}

func (c *crowd) status() answer {
	connected := 0
	for _, one := range c.clients {
		one.state.Lock()
		if one.connected {
			connected++
		}
		one.state.Unlock()
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	named := func(counts [reasons]int64) map[string]int64 {
		found := map[string]int64{}
		for why, count := range counts {
			found[reasonNames[why]] = count
		}
		return found
	}
	ends := map[string]int64{}
	for end, count := range c.ends {
		ends[end] = count
	}
	return answer{
		"connected": connected, "responses": c.responses, "resources": c.resources, "changed": c.changed,
		"unchanged": named(c.why), "held": named(c.held), "refusals": c.refusals.Load(),
		"faulty": c.faulty, "faults": append([]string{}, c.faults...), "ends": ends,
	}
}

func main() {
	addresses := flag.String("addresses", "127.0.0.1:18000", "servers, separated by commas; clients take turns")
	streams := flag.Int("streams", 2000, "clients")
	tenants := flag.Int("tenants", 10, "tenants, which clients take turns at")
	delta := flag.Bool("delta", false, "every client speaks delta, not only half of them")
	flag.Parse()
	servers := strings.Split(*addresses, ",")
	all := &crowd{ends: map[string]int64{}}
	for id := range *streams {
		// Turns of different lengths: each tenant has both variants on each server.
		tenant := fmt.Sprintf("tenant-%d", id%*tenants)
		turn := id / *tenants
		one := newClient(id, tenant, *delta || turn%2 == 0, servers[turn/2%len(servers)], all)
		all.clients = append(all.clients, one)
		go one.live()
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var order command
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			out.Encode(answer{"error": err.Error()})
			continue
		}
		out.Encode(all.do(order))
	}
}
