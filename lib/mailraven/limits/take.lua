-- One decision, atomic on the server: the same sliding windows as limits/table.py.
-- KEYS: for each item its key, then the hash of its pairs ("" when it has none).
-- ARGV: "1" to count in any case, SLOTS; for each item: cost, number of pairs, the pairs,
-- number of rates, then limit and window of each.
-- Answer: wait in ms, item, rate, then what each rate of each item has used.
local force, slots_in = ARGV[1] == "1", tonumber(ARGV[2])
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local at, items = 3, {}

local function number()
  at = at + 1
  return tonumber(ARGV[at - 1])
end

local function load(key, limit, window)
  local width = window / slots_in
  local rate = { key = key .. "|" .. window, limit = limit, window = window, used = 0, width = width }
  rate.current = math.floor(now / width)
  rate.slots = {}
  local flat = redis.call("HGETALL", rate.key)
  for i = 1, #flat, 2 do
    local slot, used = math.min(tonumber(flat[i]), rate.current), tonumber(flat[i + 1])
    if slot >= rate.current - slots_in then
      rate.used = rate.used + used
      table.insert(rate.slots, { slot, used })
    else
      redis.call("HDEL", rate.key, flat[i])
    end
  end
  table.sort(rate.slots, function(a, b) return a[1] < b[1] end)
  return rate
end

local function wait_of(rate, cost)
  if rate.used + cost <= rate.limit then return 0 end
  local used = rate.used
  for _, slot in ipairs(rate.slots) do
    used = used - slot[2]
    if used <= rate.limit - cost then
      local leaves = (slot[1] + slots_in + 1) * rate.width
      return math.max(leaves - now, rate.width / 100)
    end
  end
  return rate.window
end

for i = 1, #KEYS / 2 do
  local item = { key = KEYS[2 * i - 1], seen = KEYS[2 * i], cost = number(), pairs = {}, rates = {} }
  local pairs_count = number()
  for p = 1, pairs_count do
    item.pairs[p] = ARGV[at]
    at = at + 1
  end
  if pairs_count > 0 then
    item.cost = 0
    for _, pair in ipairs(item.pairs) do
      if redis.call("SISMEMBER", item.seen, pair) == 0 then item.cost = item.cost + 1 end
    end
  end
  for r = 1, number() do
    local limit = number()
    item.rates[r] = load(item.key, limit, number())
  end
  items[i] = item
end

local answer = { 0, 0, 0 }
if not force then
  for i, item in ipairs(items) do
    for r, rate in ipairs(item.rates) do
      local wait = item.cost > 0 and wait_of(rate, item.cost) or 0
      if wait > 0 and answer[1] == 0 then
        answer = { math.max(1, math.ceil(wait * 1000)), i - 1, r - 1 }
      end
    end
  end
end
for _, item in ipairs(items) do
  if answer[1] == 0 and #item.pairs > 0 then
    redis.call("SADD", item.seen, unpack(item.pairs))
    redis.call("EXPIRE", item.seen, 180 * 86400)
  end
  for _, rate in ipairs(item.rates) do
    if answer[1] == 0 and item.cost > 0 then
      redis.call("HINCRBY", rate.key, rate.current, item.cost)
      redis.call("EXPIRE", rate.key, math.ceil(rate.window + 2 * rate.width))
      rate.used = rate.used + item.cost
    end
    table.insert(answer, rate.used)
  end
end
return answer
