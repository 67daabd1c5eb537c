-- Gives turns to the processes that share a limit. Times are in microseconds, by the server's
-- clock. schedule.go does the same for one process.
--
-- Callers wait in a queue of slots, one each interval. A caller sleeps until its slot, and comes
-- back with a ticket. Only then it gets a turn: a turn is counted when it is used. So a process
-- that wakes late, or never, does not make the others exceed the limit. If a caller is late and
-- no turn is left, it gets the next one, in front of the queue.
--
-- KEYS[1] a hash:
--   queue       the end of the queue: when the bucket would be full again
--   late        the end of the line of those who were late
--   grants      when the bucket would be full again, counting only granted turns
--   shift       how far all slots have moved, for pauses and changes of the clock
--   push        how far those of the queue have moved besides, for the late
--   ends        when the pause ends
--   at          when the script ran last
--   epoch       when this hash was made: the ticket of another hash has no slot here
--   seen:<id>   when that process was seen last; processes: how many there are
--
-- ARGV: op ("turn" or "sync"), interval, depth, slack, process, left, leavers, patience, ticket
--   depth    (burst - 1) * interval
--   slack    how late a caller may be and still find its turn
--   left     the rest of a pause that the process reports
--   leavers  how many of its callers left the queue
--   patience how long the caller is ready to wait
--   ticket   "" if the caller has not asked before
local minute, longest, heartbeat = 6e7, 1e7, 1.5e7
local max = math.max
local key, op, process = KEYS[1], ARGV[1], ARGV[5]
local interval, depth, slack = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local left, leavers = tonumber(ARGV[6]), tonumber(ARGV[7])

local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local h = redis.call('HMGET', key, 'epoch', 'at', 'shift', 'push', 'queue', 'late', 'grants', 'ends',
  'processes', 'seen:' .. process)
local epoch = h[1] or string.format('%.0f', now)
local at = tonumber(h[2] or now)
local shift, push = tonumber(h[3] or 0), tonumber(h[4] or 0)
local queue, late, grants = tonumber(h[5] or now), tonumber(h[6] or 0), tonumber(h[7] or now)
local ends, processes, seen = tonumber(h[8] or 0), tonumber(h[9] or 0), tonumber(h[10] or 0)

if now < at then -- the clock was put back, or another server has taken over
  local back = at - now
  shift, queue, late, grants, ends = shift - back, queue - back, late - back, grants - back, ends - back
end

if processes == 0 or seen > now or now - seen > heartbeat then
  redis.call('HSET', key, 'seen:' .. process, now)
  processes = 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 5) == 'seen:' then
      local age = now - all[i + 1]
      if age < 0 or age > minute then
        redis.call('HDEL', key, all[i])
      else
        processes = processes + 1
      end
    end
  end
end

if left > 0 and now + left > ends then
  local longer = now + left - max(ends, now)
  ends = now + left
  shift = shift + longer
  queue = max(queue, now + depth) + longer
  late = late + longer
  grants = max(grants, ends + depth + slack) -- one by one after it
end

queue = max(queue - leavers * interval, now, ends + depth)

local verdict, wait, ticket = 'ok', 0, ''
if op == 'turn' then
  local patience, old = tonumber(ARGV[8]), ARGV[9]
  local free = max(ends, grants - depth - slack) -- when a turn can be granted
  local epoch0, kind, base = string.match(old, '^(%d+):(%a+):(%S+)$')
  local slot, queued = now, epoch0 == epoch
  if old == '' then
    slot, kind = max(now, queue - depth, late), 'queue'
  elseif not queued then
    kind = 'late'
  elseif kind == 'queue' then
    slot = base + shift + push
  else
    slot = base + shift
  end
  wait = max(slot, free, now) - now
  if ends - now > longest or wait > patience then
    verdict = ends - now > longest and 'paused' or 'refused'
    if queued then
      queue = max(queue - interval, now, ends + depth)
    end
  else
    if not queued then
      queue = max(queue, kind == 'queue' and slot > now and slot + depth or now) + interval
    end
    if wait == 0 then
      grants = max(grants, now) + interval
    elseif slot <= now then
      slot, kind = max(free, late), 'late'
      wait, late, push = slot - now, slot + interval, push + interval
      if queued then
        queue = queue + interval
      end
    end
    ticket = epoch .. ':' .. kind .. ':' .. string.format('%.17g', slot - shift - (kind == 'queue' and push or 0))
  end
end

redis.call('HSET', key, 'epoch', epoch, 'at', now, 'shift', shift, 'push', push, 'queue', queue, 'late', late,
  'grants', grants, 'ends', ends, 'processes', processes)
redis.call('PEXPIRE', key, math.ceil((max(queue, ends, now) - now) / 1000) + 60000)
return {verdict, math.ceil(wait), ticket, processes, math.ceil(max(ends - now, 0))}
