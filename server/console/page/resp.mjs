// RespDecoder: Redis commands out of a stream that is cut into records anywhere, as `cairn tail
// -o resp` does. After bytes that are none it begins afresh with the next record.

const kMaxPending = 1 << 20;
const kMaxArguments = 1 << 20;
const kCr = 13;
const kLf = 10;

const utf8 = new TextDecoder();

function concat(a, b) {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

// What one look at the bytes comes to: a command and where it ends, or that there is too little.
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  // Up to CRLF (an inline command may end with LF alone); null: not there yet.
  line() {
    const end = this.bytes.indexOf(kLf, this.at);
    if (end < 0) return null;
    const stop = end > this.at && this.bytes[end - 1] === kCr ? end - 1 : end;
    const text = utf8.decode(this.bytes.subarray(this.at, stop));
    this.at = end + 1;
    return text;
  }

  number(text, mark, max) {
    const digits = text.slice(1);
    if (text[0] !== mark || !/^\d{1,10}$/.test(digits) || Number(digits) > max) {
      throw new Error(`expected ${mark} and a number, got "${text.slice(0, 20)}"`);
    }
    return Number(digits);
  }

  // Null: more bytes are needed.
  command() {
    const head = this.line();
    if (head === null) return null;
    if (head[0] !== '*') return head.split(/\s+/).filter((word) => word !== '');
    const words = [];
    for (let left = this.number(head, '*', kMaxArguments); left > 0; --left) {
      const size = this.line();
      if (size === null) return null;
      const length = this.number(size, '$', kMaxPending);
      if (this.at + length + 2 > this.bytes.length) return null;
      words.push(this.bytes.slice(this.at, this.at + length));
      this.at += length + 2;
    }
    return words;
  }
}

export class RespDecoder {
  constructor() {
    this.pending = new Uint8Array(0);
  }

  // {commands: [[word …] …], error: '' or why the rest was not read,
  //  open: bytes of a begun one}
  feed(bytes) {
    const reader = new Reader(concat(this.pending, bytes));
    const commands = [];
    let done = 0;
    try {
      while (done < reader.bytes.length) {
        const words = reader.command();
        if (words === null) break;
        done = reader.at;
        if (words.length > 0) commands.push(words);
      }
      if (reader.bytes.length - done > kMaxPending) throw new Error('a command above 1 MiB');
    } catch (error) {
      this.pending = new Uint8Array(0);
      return {commands, error: error.message, open: 0};
    }
    this.pending = reader.bytes.slice(done);
    return {commands, error: '', open: this.pending.length};
  }
}

const kEscapes = new Map([
  [9, '\\t'],
  [10, '\\n'],
  [13, '\\r'],
  [34, '\\"'],
  [92, '\\\\'],
]);

function quote(bytes) {
  let text = '';
  for (const byte of bytes) {
    if (kEscapes.has(byte)) text += kEscapes.get(byte);
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}"`;
}

// One command on one line as redis-cli would take it: SET key "a b\r\n".
export function formatCommand(words) {
  return words
    .map((word) => {
      const bytes = typeof word === 'string' ? new TextEncoder().encode(word) : word;
      const plain =
        bytes.length > 0 && bytes.every((b) => b > 32 && b < 127 && b !== 34 && b !== 92);
      return plain ? utf8.decode(bytes) : quote(bytes);
    })
    .join(' ');
}
