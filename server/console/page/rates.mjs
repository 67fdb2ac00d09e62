// Rates and quantiles out of counters. Pure.

// The value below which the share `q` of the measured durations lies, in seconds; null: none was
// measured. Within a bucket durations count as evenly spread; what is above all bounds counts as
// the last bound.
export function quantile(bounds, counts, q) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  let below = 0;
  for (let i = 0; i < bounds.length; ++i) {
    if (counts[i] > 0 && below + counts[i] >= q * total) {
      const low = i === 0 ? 0 : bounds[i - 1];
      return low + (bounds[i] - low) * Math.max(0, (q * total - below) / counts[i]);
    }
    below += counts[i];
  }
  return bounds[bounds.length - 1];
}

const minus = (now, before) => now.map((n, i) => n - (before[i] ?? 0));
const plus = (a, b) => (a.length === 0 ? b : a.map((n, i) => n + b[i]));

// What one node did between two answers of one life of its process; null: nothing can be said.
export function difference(before, now) {
  if (!before?.answered || !now?.answered || now.uptime_ms <= before.uptime_ms) return null;
  const a = before.counters;
  const b = now.counters;
  return {
    seconds: (now.uptime_ms - before.uptime_ms) / 1000,
    appends: b.append_requests - a.append_requests,
    refused: b.append_refused - a.append_refused,
    records: b.append_records - a.append_records,
    bytes: b.append_bytes - a.append_bytes,
    syncs: b.store_syncs - a.store_syncs,
    appendBounds: b.append_seconds.upper_bounds_s,
    appendCounts: minus(b.append_seconds.counts, a.append_seconds.counts),
    syncBounds: b.store_turn_seconds.upper_bounds_s,
    syncCounts: minus(b.store_turn_seconds.counts, a.store_turn_seconds.counts),
  };
}

// The cluster's point of the charts out of its nodes' differences. Rates are sums; durations are
// those of all nodes together. Null: no node can say anything.
export function merge(differences) {
  if (differences.length === 0) return null;
  const rate = (name) => differences.reduce((sum, d) => sum + d[name] / d.seconds, 0);
  const over = (name) => differences.reduce((sum, d) => plus(sum, d[name]), []);
  const {appendBounds, syncBounds} = differences[0];
  return {
    appends: rate('appends'),
    refused: rate('refused'),
    bytes: rate('bytes'),
    syncs: rate('syncs'),
    appendP50: quantile(appendBounds, over('appendCounts'), 0.5),
    appendP99: quantile(appendBounds, over('appendCounts'), 0.99),
    syncP50: quantile(syncBounds, over('syncCounts'), 0.5),
    syncP99: quantile(syncBounds, over('syncCounts'), 0.99),
  };
}

// The last `capacity` points.
export class Series {
  constructor(capacity) {
    this.capacity = capacity;
    this.points = [];
  }

  add(point) {
    this.points.push(point);
    if (this.points.length > this.capacity) this.points.shift();
  }

  of(name) {
    return this.points.map((point) => point[name]);
  }
}

// The next "round" number, for the top of an axis: 1, 2 or 5 times a power of ten, counted in
// powers of `unit` (1024 for bytes; 1: none).
export function roundUp(value, unit = 1) {
  if (value <= 0) return 1;
  if (unit > 1 && value >= unit) return unit * roundUp(value / unit, unit);
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * (1 - 1e-9));
}
