package connectlinkstest

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind names what a link makes: a source, a destination or an activation.
type Kind string

// The kinds of links and connections.
const (
	KindSource      Kind = "source"
	KindDestination Kind = "destination"
	KindActivation  Kind = "activation"
)

// types returns the kind whose types k has: activations have the types of destinations.
func (k Kind) types() Kind {
	if k == KindActivation {
		return KindDestination
	}
	return k
}

// Errors of the levers, for [errors.Is].
var (
	// ErrUnknownLink reports that there is no link with the id.
	ErrUnknownLink = errors.New("connectlinkstest: no such link")

	// ErrDeadLink reports that the link is expired, revoked or spent. It also reports that
	// the connection that the link renews was deleted, or that V1 was retired.
	ErrDeadLink = errors.New("connectlinkstest: the link cannot be used")

	// ErrTestFailed reports that a test of what the customer entered failed. The link
	// stays open.
	ErrTestFailed = errors.New("connectlinkstest: the connection's test failed")
)

const firstGroup = "wandering_aimlessly" // groupName(0)

// state is all that the service stores.
type state struct {
	seq         int64 // the last id
	workspaces  []*Workspace
	groups      map[string]*group
	types       map[Kind][]Type
	links       []*link       // oldest first
	connections []*connection // oldest first
	byID        map[int64]*link
	bySecret    map[string]*link
	activations int // how many were ever made
}

// group is a Fivetran group, with the warehouse that its activations read.
type group struct {
	id        string
	warehouse *connection // in no list
	hidden    bool        // answers leave group_id out
}

type link struct {
	id          int64
	kind        Kind
	typ         string
	workspace   int64  // V1
	group       string // V2
	secret, url string
	redirectURI string
	expires     time.Time
	created     time.Time
	revoked     bool
	spent       bool
	cancelled   int
	looks       int         // how many lists left it out
	renews      bool        // it reauthorizes conn
	conn        *connection // nil until it is made
}

type connection struct {
	id           int64
	activationID string
	kind         Kind
	typ          string
	name         string
	workspace    int64
	group        string
	created      time.Time
	tested       time.Time // zero: never
	steps        []step
	details      map[string]string
	deleted      bool
}

// newState returns the state of a new server. token is the first workspace's token.
func newState(token string, now time.Time) state {
	st := state{
		seq:      100,
		groups:   map[string]*group{},
		types:    map[Kind][]Type{KindSource: sourceTypes(), KindDestination: destinationTypes()},
		byID:     map[int64]*link{},
		bySecret: map[string]*link{},
	}
	st.addWorkspace("Sandbox", token, now)
	return st
}

func (st *state) nextID() int64 {
	st.seq++
	return st.seq
}

func (st *state) addWorkspace(name, token string, now time.Time) *Workspace {
	ws := &Workspace{
		ID: st.nextID(), Name: name, OrganizationID: 1, CreatedAt: millis(now), Token: token, GroupID: st.newGroup(now),
	}
	st.workspaces = append(st.workspaces, ws)
	return ws
}

func (st *state) workspace(id int64) *Workspace {
	for _, ws := range st.workspaces {
		if ws.ID == id {
			return ws
		}
	}
	return nil
}

func (st *state) addGroup(id string, now time.Time) {
	if st.groups[id] == nil {
		st.groups[id] = &group{id: id, warehouse: &connection{
			id: st.nextID(), kind: KindSource, typ: "snowflake", name: "Warehouse", created: millis(now), details: map[string]string{},
		}}
	}
}

// newGroup makes a group and returns its id.
func (st *state) newGroup(now time.Time) string {
	for n := len(st.workspaces); ; n++ {
		if id := groupName(n); st.groups[id] == nil {
			st.addGroup(id, now)
			return id
		}
	}
}

func (st *state) addType(k Kind, t Type) {
	same := func(o Type) bool { return o.ServiceName == t.ServiceName }
	if i := slices.IndexFunc(st.types[k], same); i >= 0 {
		st.types[k][i] = t
		return
	}
	st.types[k] = append(st.types[k], t)
}

func (st *state) typeNamed(k Kind, name string) (Type, bool) {
	for _, t := range st.types[k.types()] {
		if t.ServiceName == name {
			return t, true
		}
	}
	return Type{}, false
}

// addLink adds l to the state, with an id, times and a URL. The caller has set its kind,
// type, owner, redirect URI and connection.
func (s *Server) addLink(l *link) *link {
	now := s.now()
	l.id = s.state.nextID()
	l.created = millis(now)
	l.expires = millis(now.Add(s.lifetime))
	l.secret = strings.ToLower(rand.Text())
	l.url = s.PagesURL + pagePath + "?auth=" + l.secret
	s.state.links = append(s.state.links, l)
	s.state.byID[l.id] = l
	s.state.bySecret[l.secret] = l
	return l
}

// find returns the link with this id, for a lever.
func (s *Server) find(id int64) (*link, error) {
	l := s.state.byID[id]
	if l == nil {
		return nil, fmt.Errorf("%w: id %d", ErrUnknownLink, id)
	}
	return l, nil
}

func (l *link) expired(now time.Time) bool { return !now.Before(l.expires) }

// dead returns the reason why the link cannot be used any more, for the customer. It
// returns "" if the link can be used.
func (s *Server) dead(l *link) string {
	switch {
	case l.spent:
		return "it has been used already"
	case l.revoked:
		return "it was revoked"
	case l.expired(s.now()):
		return "it has expired"
	case s.retired != 0 && l.kind != KindActivation:
		return "it was made with API V1, which was retired"
	case l.conn != nil && l.conn.deleted:
		return "the connection that it renews was deleted"
	}
	return ""
}

// expire makes a link expire now, unless it has expired already.
func (l *link) expire(now time.Time) {
	if !l.expired(now) {
		l.expires = millis(now)
	}
}

func (s *Server) revoke(l *link) {
	if !l.revoked && !s.assume.KeepRevokedLinks {
		l.expire(s.now())
	}
	l.revoked = true
}

// A testError is an ErrTestFailed that names the step that failed.
type testError struct{ steps []step }

func (e *testError) Error() string {
	last := e.steps[len(e.steps)-1]
	return fmt.Sprintf("%v: %s: %s", ErrTestFailed, last.name, last.failure)
}

func (e *testError) Unwrap() error { return ErrTestFailed }

// connect acts as a customer who enters sub on the hosted page. It checks and tests the
// values, makes or renews the connection, and spends the link. If it returns an error,
// nothing has changed.
func (s *Server) connect(l *link, sub Submission) (*connection, error) {
	now := s.now()
	if why := s.dead(l); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrDeadLink, why)
	}
	typ, _ := s.state.typeNamed(l.kind, l.typ)
	steps, err := typ.try(sub)
	if err != nil {
		return nil, err
	}
	if l.conn == nil {
		l.conn = &connection{
			kind: l.kind, typ: l.typ, workspace: l.workspace, group: l.group, created: later(l.created, now),
		}
		s.state.addConnection(l.conn, typ)
	}
	l.conn.fill(typ, sub, steps, later(l.conn.tested, now))
	l.spent = true
	if s.assume.ExpireSpentLinks {
		l.expire(now)
	}
	return l.conn, nil
}

// fill stores what the customer entered, and the result of the tests at the time tested.
func (c *connection) fill(typ Type, sub Submission, steps []step, tested time.Time) {
	if sub.Name != "" {
		c.name = sub.Name
	}
	c.details = typ.public(sub.Fields)
	c.tested, c.steps = tested, steps
	if sub.Untested {
		c.tested, c.steps = time.Time{}, nil
	}
}

// addConnection adds c to the state, with ids and a name. The caller has set its kind,
// type, owner and time.
func (st *state) addConnection(c *connection, typ Type) {
	c.id, c.name = st.nextID(), cmp.Or(typ.Label, c.typ)
	if c.kind == KindActivation {
		c.activationID = activationName(st.activations)
		st.activations++
	}
	st.connections = append(st.connections, c)
}

func (c *connection) made() Made {
	return Made{Kind: c.kind, ID: c.id, ActivationID: c.activationID, Type: c.typ, Name: c.name}
}

// millis returns t with the precision of the API's times.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// later returns the time of a customer's action: the next millisecond after now, and after
// t even if the clock stands still. So a client that stored a time before the action sees
// that the action came later.
func later(t, now time.Time) time.Time {
	next := millis(now).Add(time.Millisecond)
	if !next.After(t) {
		return t.Add(time.Millisecond)
	}
	return next
}

// activationName returns the id of the nth activation, like Fivetran's ids.
func activationName(n int) string {
	return coin(n,
		[]string{"glimmering", "patient", "wistful", "sturdy", "candid", "nimble", "mellow", "radiant"},
		[]string{"donkey", "heron", "lantern", "meadow", "otter", "pebble", "sparrow", "willow"})
}

// groupName returns the id of the nth workspace's group, like Fivetran's ids.
func groupName(n int) string {
	return coin(n,
		[]string{"wandering", "humming", "sailing", "juggling", "whistling", "dancing"},
		[]string{"aimlessly", "boldly", "cheerfully", "gently", "quietly", "tirelessly"})
}

// coin returns the nth combination of a word of first and a word of second.
func coin(n int, first, second []string) string {
	name := first[n%len(first)] + "_" + second[n/len(first)%len(second)]
	if round := n / (len(first) * len(second)); round > 0 {
		name += fmt.Sprintf("_%d", round+1)
	}
	return name
}
