package redislimit_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	lua "github.com/yuin/gopher-lua"
)

// fakeRedis runs the limiter's script in the process, so that it can be tested with
// the clock of testing/synctest. It has no other commands than the script's.
type fakeRedis struct {
	mu      sync.Mutex
	before  func(ctx context.Context) error // see behave
	after   func(ctx context.Context) error
	vm      *lua.LState
	ahead   time.Duration // of its clock, set by setAhead
	keys    map[string]map[string]string
	expires map[string]time.Time
	script  *lua.LFunction
	sha     string      // of script
	scripts int         // how many have run
	grants  []time.Time // of all callers
}

type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

func newFakeRedis(t testing.TB) *fakeRedis {
	f := &fakeRedis{before: fine, after: fine, vm: lua.NewState(), keys: map[string]map[string]string{}, expires: map[string]time.Time{}}
	t.Cleanup(f.vm.Close)
	api := f.vm.NewTable()
	f.vm.SetField(api, "call", f.vm.NewFunction(f.call))
	f.vm.SetGlobal("redis", api)
	return f
}

func (f *fakeRedis) now() time.Time { return time.Now().Add(f.ahead) }

// call is redis.call of the script.
func (f *fakeRedis) call(vm *lua.LState) int {
	text := func(i int) string {
		if n, ok := vm.Get(i).(lua.LNumber); ok {
			return strconv.FormatFloat(float64(n), 'f', -1, 64)
		}
		return vm.CheckString(i)
	}
	if name := text(1); name == "TIME" {
		now := f.now()
		list := vm.NewTable()
		list.Append(lua.LString(strconv.FormatInt(now.Unix(), 10)))
		list.Append(lua.LString(strconv.Itoa(now.Nanosecond() / 1000)))
		vm.Push(list)
		return 1
	}
	key := text(2)
	if at, ok := f.expires[key]; ok && !f.now().Before(at) {
		delete(f.keys, key)
		delete(f.expires, key)
	}
	hash := f.keys[key]
	switch name := text(1); name {
	case "HMGET", "HGETALL":
		list := vm.NewTable()
		for i := 3; i <= vm.GetTop(); i++ {
			if value, ok := hash[text(i)]; ok {
				list.Append(lua.LString(value))
			} else {
				list.Append(lua.LFalse)
			}
		}
		if name == "HGETALL" {
			for field, value := range hash {
				list.Append(lua.LString(field))
				list.Append(lua.LString(value))
			}
		}
		vm.Push(list)
	case "HSET":
		if hash == nil {
			hash = map[string]string{}
			f.keys[key] = hash
		}
		for i := 3; i < vm.GetTop(); i += 2 {
			hash[text(i)] = text(i + 1)
		}
		vm.Push(lua.LNumber(1))
	case "HDEL":
		delete(hash, text(3))
		vm.Push(lua.LNumber(1))
	case "PEXPIRE":
		f.expires[key] = f.now().Add(time.Duration(vm.CheckInt64(3)) * time.Millisecond)
		vm.Push(lua.LNumber(1))
	default:
		vm.RaiseError("no such command: %s", name)
	}
	return 1
}

// eval is what EVAL and EVALSHA have in common. sha is the digest, or empty for EVAL.
func (f *fakeRedis) eval(ctx context.Context, source, sha string, keys []string, args []any) *redis.Cmd {
	f.mu.Lock()
	before, after := f.before, f.after
	f.mu.Unlock()
	if err := before(ctx); err != nil {
		return redis.NewCmdResult(nil, err)
	}
	v, err := f.run(source, sha, keys, args)
	if err == nil {
		err = after(ctx)
	}
	return redis.NewCmdResult(v, err)
}

func (f *fakeRedis) run(source, sha string, keys []string, args []any) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sha != "" && sha != f.sha {
		return nil, redisError("NOSCRIPT No matching script. Please use EVAL.")
	}
	if sha == "" {
		script, err := f.vm.LoadString(source)
		if err != nil {
			return nil, err
		}
		f.script, f.sha = script, redis.NewScript(source).Hash()
	}
	f.scripts++
	f.vm.SetGlobal("KEYS", f.list(len(keys), func(i int) string { return keys[i] }))
	f.vm.SetGlobal("ARGV", f.list(len(args), func(i int) string { return fmt.Sprint(args[i]) }))
	f.vm.Push(f.script)
	if err := f.vm.PCall(0, 1, nil); err != nil {
		return nil, err
	}
	table := f.vm.CheckTable(-1)
	f.vm.Pop(1)
	var reply []any
	table.ForEach(func(_, v lua.LValue) {
		if n, ok := v.(lua.LNumber); ok {
			reply = append(reply, int64(n))
		} else {
			reply = append(reply, v.String())
		}
	})
	if args[0] == "turn" && reply[0] == "ok" && reply[1] == int64(0) {
		f.grants = append(f.grants, f.now())
	}
	return reply, nil
}

func (f *fakeRedis) list(n int, at func(int) string) *lua.LTable {
	table := f.vm.NewTable()
	for i := range n {
		table.Append(lua.LString(at(i)))
	}
	return table
}

func (f *fakeRedis) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return f.eval(ctx, script, "", keys, args)
}

func (f *fakeRedis) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return f.eval(ctx, "", sha, keys, args)
}

func (f *fakeRedis) EvalRO(context.Context, string, []string, ...any) *redis.Cmd {
	return redis.NewCmdResult(nil, redisError("ERR the limiter has no use for EVAL_RO"))
}

func (f *fakeRedis) EvalShaRO(context.Context, string, []string, ...any) *redis.Cmd {
	return redis.NewCmdResult(nil, redisError("ERR the limiter has no use for EVALSHA_RO"))
}

func (f *fakeRedis) ScriptExists(context.Context, ...string) *redis.BoolSliceCmd {
	return redis.NewBoolSliceResult(nil, redisError("ERR the limiter has no use for SCRIPT EXISTS"))
}

func (f *fakeRedis) ScriptLoad(context.Context, string) *redis.StringCmd {
	return redis.NewStringResult("", redisError("ERR the limiter has no use for SCRIPT LOAD"))
}

// flush empties the server, as a restart without persistence does.
func (f *fakeRedis) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sha = ""
	clear(f.keys)
	clear(f.expires)
}

// granted returns the times of the turns granted so far, by the server's clock.
func (f *fakeRedis) granted() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.grants)
}

// ran returns how many scripts have run.
func (f *fakeRedis) ran() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.scripts
}

// setAhead sets the server's clock.
func (f *fakeRedis) setAhead(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ahead = d
}

// behave sets what happens around each script. An error of before keeps the script
// from running. An error of after hides that it ran.
func (f *fakeRedis) behave(before, after func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func fine(context.Context) error     { return nil }
func hang(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func slow(d time.Duration) func(context.Context) error {
	return func(context.Context) error { time.Sleep(d); return nil }
}
