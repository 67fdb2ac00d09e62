// What a record's bytes say, in the reader's choice of words: {text, line, note}. `line` is what is
// shown of them on one line, if that is not the text; `note` says what is wrong with them.
// Pure; nothing here makes markup.
import {visible} from './format.mjs';
import {RespDecoder, formatCommand} from './resp.mjs';

export const kDecodes = ['auto', 'text', 'hex', 'json', 'resp'];

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

const strict = new TextDecoder('utf-8', {fatal: true});
const lenient = new TextDecoder('utf-8');

export function isText(bytes) {
  try {
    return !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(strict.decode(bytes));
  } catch {
    return false;
  }
}

// Line ends and tabs stay; other control characters are shown.
export function asText(bytes) {
  const lines = lenient.decode(bytes).replaceAll('\r\n', '\n').split('\n');
  return {text: lines.map((line) => line.split('\t').map(visible).join('\t')).join('\n'), note: ''};
}

// As hexdump -C: offset, sixteen bytes, what of them is ASCII.
export function asHex(bytes) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((b) => b.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    const ascii = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '.')).join('');
    rows.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  |${ascii}|`);
  }
  return {text: rows.join('\n'), line: rows[0]?.slice(10), note: ''};
}

export function asJson(bytes) {
  try {
    const value = JSON.parse(strict.decode(bytes));
    return {
      text: visibleLines(JSON.stringify(value, null, 2)),
      line: visible(JSON.stringify(value)),
      note: '',
    };
  } catch (error) {
    return {...asText(bytes), note: `no JSON: ${visible(error.message)}`};
  }
}

function visibleLines(text) {
  return text.split('\n').map(visible).join('\n');
}

function asResp(bytes, decoder) {
  const {commands, error, open} = decoder.feed(bytes);
  const notes = [];
  if (error !== '') notes.push(`no RESP: ${error}`);
  if (open > 0) notes.push(`${open} bytes of a command that goes on in the next record`);
  return {text: commands.map(formatCommand).join('\n'), note: visible(notes.join('; '))};
}

function guess(bytes) {
  if (bytes[0] === 0x2a && bytes.indexOf(0x0a) > 0) return 'resp';
  if (!isText(bytes)) return 'hex';
  return bytes[0] === 0x7b || bytes[0] === 0x5b ? 'json' : 'text';
}

// Decodes the records of one log in their order, since commands may reach over their ends.
export class Decoder {
  constructor(mode) {
    this.mode = mode;
    this.resp = new RespDecoder();
  }

  decode(bytes) {
    const mode = this.mode === 'auto' ? guess(bytes) : this.mode;
    switch (mode) {
      case 'hex':
        return asHex(bytes);
      case 'json':
        return asJson(bytes);
      case 'resp': {
        // A guess is about one record; what follows it may be something else.
        const decoder = this.mode === 'resp' ? this.resp : new RespDecoder();
        return asResp(bytes, decoder);
      }
      default:
        return asText(bytes);
    }
  }
}
