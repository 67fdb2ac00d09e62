// Numbers, times and names as people read them. Pure functions.

const kUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

// 2.0 is 2.
const trim = (digits) => digits.replace(/\.0$/, '');

export function bytes(value) {
  let unit = 0;
  while (value >= 1024 && unit < kUnits.length - 1) {
    value /= 1024;
    ++unit;
  }
  const digits = unit === 0 || value >= 100 ? Math.round(value) : trim(value.toFixed(1));
  return `${digits} ${kUnits[unit]}`;
}

// Whole numbers with thin spaces: 1 234 567.
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

// Short: 950, 1.2 k, 34 M.
export function short(value) {
  for (const [size, name] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]) {
    if (value >= size) return `${trim((value / size).toFixed(value >= 10 * size ? 0 : 1))} ${name}`;
  }
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

// 85 µs, 1.2 ms, 3.4 s.
export function seconds(value) {
  if (value === null) return '–';
  if (value < 1e-3) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${trim((value * 1e3).toFixed(value < 1e-2 ? 1 : 0))} ms`;
  return `${trim(value.toFixed(1))} s`;
}

// 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h.
export function span(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// Time left: 2.4 s, 1 min 5 s.
export function left(ms) {
  return ms < 60_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : span(ms);
}

const two = (n) => String(n).padStart(2, '0');

// Log time in the reader's zone, to the millisecond.
export function time(us) {
  const at = new Date(us / 1000);
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

export function dateTime(us) {
  if (us === 0) return '–';
  const at = new Date(us / 1000);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time(us)}`;
}

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// The oldest record that can be read: the archive may have what the nodes have no more.
export function firstSeq(log) {
  const archived = log.archive === null ? 0 : log.archive.first_seq;
  return archived > 0 ? Math.min(archived, log.first_seq) : log.first_seq;
}

// How much of a log is in the archive, of which it may have none (null).
export function archived(archive, lastSeq) {
  if (archive === null) return 'no';
  const behind = Math.max(0, lastSeq - archive.archived_seq);
  const state = archive.on ? '' : 'no longer; ';
  const extent =
    archive.archived_seq === 0
      ? 'nothing yet'
      : `up to record ${count(archive.archived_seq)}, ${plural(behind, 'record')} behind`;
  const trouble = archive.trouble === '' ? '' : `; held up: ${visible(archive.trouble)}`;
  return state + extent + trouble;
}

// Strings of strangers may hold anything; what does not show is shown.
export function visible(text) {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => {
      const code = c.codePointAt(0);
      return code < 0x20 ? String.fromCodePoint(0x2400 + code) : '\ufffd';
    },
  );
}
