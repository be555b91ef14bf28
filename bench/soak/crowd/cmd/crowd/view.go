package main

// What one client holds of one type, and its judgement of each response: does it change anything, and if not, which rule asks for it?
// Rules by number: docs/xds-protocol.md.

import (
	"fmt"
	"time"
)

// Why a response that changes nothing may come, or a resource that the client holds already.
type reason int

const (
	first    reason = iota // rules 19 and 28: the first request of a type is answered, with nothing if need be
	asked                  // rules 16, 22 and 24: it was subscribed to anew
	warming                // rule 30: endpoints follow each update of their cluster
	repeated               // rule 5: what a NACK does not name goes out again
	crossed                // it crossed an unsubscription or a NACK on its way
	unneeded               // no rule asks for it
	reasons
)

var reasonNames = [reasons]string{"first", "asked", "warming", "repeated", "crossed", "unneeded"}

// Something sent before the server read a request may arrive so long after it was written, on a machine that is busy.
const crossing = 10 * time.Second

type held struct {
	version string
	content content
	eds     string
}

// view is one type of one client. What a stream is owed ends with the stream; what the client holds does not.
type view struct {
	typeURL  string
	delta    bool
	full     bool            // each response carries everything
	wildcard bool            // else names has what is subscribed to
	names    map[string]bool // of endpoints
	holds    map[string]held
	version  string // of the last response that was accepted

	started  bool
	nonce    string
	answered bool
	asked    map[string]bool
	warming  map[string]bool
	repeat   map[string]bool
	refused  map[string]content
	doubted  map[string]bool // refused as a whole: the server cannot know what of it was taken, until it is sent anew
	again    bool            // after a NACK a full response comes once more
	unsure   bool            // since a NACK of a full response, until one is accepted: the server cannot know what is held
	dropped  map[string]time.Time
}

func newView(typeURL string, delta bool) *view {
	v := &view{
		typeURL: typeURL, delta: delta, full: !delta && typeURL != endpoints, wildcard: typeURL != endpoints,
		names: map[string]bool{}, holds: map[string]held{},
	}
	v.disconnect()
	return v
}

// disconnect forgets what the stream owed.
func (v *view) disconnect() {
	v.started, v.answered, v.again, v.unsure, v.nonce = false, false, false, false, ""
	v.asked, v.warming, v.repeat = map[string]bool{}, map[string]bool{}, map[string]bool{}
	v.refused, v.dropped = map[string]content{}, map[string]time.Time{}
	v.doubted = map[string]bool{}
}

func (v *view) wants(name string) bool { return v.wildcard || v.names[name] }

// recently returns whether a name was let go of so lately that something about it may have crossed that on its way.
func (v *view) recently(name string) bool {
	at, known := v.dropped[name]
	return known && time.Since(at) < crossing
}

// excuse returns which rule asks for a resource that changes nothing.
func (v *view) excuse(name string) reason {
	_, refused := v.refused[name]
	switch {
	case v.asked[name]:
		return asked
	case v.warming[name]:
		return warming
	case v.repeat[name] || v.doubted[name]:
		return repeated
	case refused || v.recently(name):
		return crossed
	}
	return unneeded
}

// paid takes note that a name was answered. One that was let go of and taken up again lately may come once for each request.
func (v *view) paid(name string) {
	delete(v.doubted, name)
	owed := []map[string]bool{v.warming, v.asked, v.repeat}
	for _, each := range owed {
		if each[name] {
			delete(each, name)
			if v.recently(name) {
				return
			}
		}
	}
}

// verdict is what became of a response: whether it changed anything, the rules that ask for what it did not change, and in words
// what no rule asks for.
type verdict struct {
	changed bool
	why     map[reason]int
	fault   string
}

// judge compares a response with what is held, without applying it.
func (v *view) judge(r response) verdict {
	found := verdict{why: map[reason]int{}}
	same := ""
	carried := make(map[string]bool, len(r.items))
	for _, one := range r.items {
		if carried[one.name] {
			found.fault = fmt.Sprintf("%s twice in one response (rule 7)", one.name)
		}
		carried[one.name] = true
		if !v.wants(one.name) {
			why := v.excuse(one.name)
			found.why[why]++
			if why == unneeded {
				found.fault = one.name + " was never asked for"
			}
			continue
		}
		had, holds := v.holds[one.name]
		refused, was := v.refused[one.name]
		again := was && refused == one.content && !v.asked[one.name] && !v.warming[one.name] && !v.repeat[one.name]
		switch {
		case again && !v.full:
			found.why[unneeded]++
			found.fault = one.name + " again, though this content was refused (rule 5)"
		case (!holds || had.content != one.content) && !again:
			found.changed = true
		case !v.full:
			why := v.excuse(one.name)
			if why == crossed {
				why = unneeded
			}
			found.why[why]++
			if why == unneeded {
				same = one.name
			}
		}
	}
	for name := range v.holds {
		if v.full && !carried[name] {
			found.changed = true
		}
	}
	for _, name := range r.removed {
		if _, holds := v.holds[name]; holds {
			found.changed = true
			continue
		}
		why := v.excuse(name)
		found.why[why]++
		if why == unneeded {
			found.fault = name + " removed, though never there"
		}
	}
	if same != "" && found.fault == "" {
		found.fault = same + " again, though it is the same and nobody asked"
	}
	if !found.changed && len(found.why) == 0 {
		switch {
		case !v.answered:
			found.why[first]++
		case v.again:
			found.why[repeated]++
		default:
			found.why[unneeded]++
			found.fault = fmt.Sprintf("%d resources, and nothing of it is new", len(r.items))
		}
	}
	return found
}

// brings returns what a response of clusters brings, as far as the server can know: their endpoints follow, refused or not.
func (v *view) brings(r response) []item {
	if !v.full || !v.answered || v.again || v.unsure {
		return r.items
	}
	var brought []item
	for _, one := range r.items {
		if had, holds := v.holds[one.name]; !holds || had.content != one.content {
			brought = append(brought, one)
		}
	}
	return brought
}

// apply takes a response, but for what is refused of it.
func (v *view) apply(r response, refuses map[string]bool) {
	v.answered, v.again, v.nonce = true, false, r.nonce
	carried := make(map[string]bool, len(r.items))
	for _, one := range r.items {
		carried[one.name] = true
		v.paid(one.name)
		if !v.wants(one.name) {
			continue
		}
		if refuses[one.name] {
			v.refused[one.name] = one.content
			continue
		}
		delete(v.refused, one.name)
		v.holds[one.name] = held{one.version, one.content, one.eds}
	}
	for _, name := range r.removed {
		v.paid(name)
		delete(v.holds, name)
		delete(v.refused, name)
	}
	if v.full {
		for name := range v.holds {
			if !carried[name] {
				delete(v.holds, name)
			}
		}
	}
}

// refuse takes note of a response of which nothing is applied.
func (v *view) refuse(r response) {
	v.answered, v.again, v.nonce = true, false, r.nonce
	for _, one := range r.items {
		v.paid(one.name)
		v.refused[one.name], v.doubted[one.name] = one.content, true
	}
	for _, name := range r.removed {
		v.paid(name)
		v.refused[name], v.doubted[name] = content{}, true
	}
}
