// Tail: the records of one log, from a seq or the end, and what is appended from then on. It asks
// again and again for a bounded page (decision 021), never keeps more than kMaxRecords and
// kMaxBytes, and stops asking when paused or not looked at.
import * as api from './api.mjs';
import {Decoder, fromBase64, kDecodes} from './decode.mjs';
import {emptyState, h, setText} from './dom.mjs';
import * as format from './format.mjs';

const kMaxRecords = 500;
const kMaxBytes = 4 << 20;
const kPageRecords = 200;
const kPayloadBytes = 16384;
const kFirstRecords = 50;
const kPauseMs = 500;
const kPreviewChars = 240;

function leaseSentence(kind, lease) {
  const verb =
    {
      lease_acquired: 'acquired by',
      lease_transferred: 'transferred to',
      lease_released: 'released by',
      lease_expired: 'expired of',
    }[kind] ?? kind;
  return `lease ${lease.name} ${verb} ${lease.holder}`;
}

export class Tail {
  constructor(element) {
    this.records = [];
    this.bytes = 0;
    this.following = false;
    this.epoch = 0; // Of what is followed; answers to an earlier one are dropped.
    this.makeControls(element);
    this.makeList(element);
    this.say('idle');
  }

  makeControls(element) {
    this.log = h('input', {
      id: 'tail-log',
      list: 'tail-logs',
      required: true,
      autocomplete: 'off',
      spellcheck: 'false',
      maxlength: 255,
      placeholder: 'name',
      oninput: () => this.suggest(),
    });
    this.logs = h('datalist', {id: 'tail-logs'});
    this.from = h('input', {
      id: 'tail-from',
      inputmode: 'numeric',
      autocomplete: 'off',
      placeholder: 'the end',
      pattern: '[0-9]*',
      title: 'a seq, or nothing for the end',
    });
    this.mode = h(
      'select',
      {id: 'tail-decode', onchange: () => this.redraw()},
      kDecodes.map((mode) => h('option', {value: mode}, mode)),
    );
    this.pause = h(
      'button',
      {type: 'button', disabled: true, onclick: () => this.toggle()},
      'Pause',
    );
    this.clear = h('button', {type: 'button', onclick: () => this.drop()}, 'Clear');
    element.append(
      h(
        'form',
        {
          class: 'controls',
          onsubmit: (event) => {
            event.preventDefault();
            location.hash = `#/tail/${encodeURIComponent(this.log.value)}/${this.from.value}`;
            this.start();
          },
        },
        h('div', {class: 'field wide'}, h('label', {for: 'tail-log'}, 'Log'), this.log, this.logs),
        h('div', {class: 'field'}, h('label', {for: 'tail-from'}, 'From seq'), this.from),
        h('div', {class: 'field'}, h('label', {for: 'tail-decode'}, 'Decode'), this.mode),
        h(
          'div',
          {class: 'buttons'},
          h('button', {class: 'primary'}, 'Follow'),
          this.pause,
          this.clear,
        ),
      ),
    );
  }

  makeList(element) {
    this.status = h('p', {class: 'status', role: 'status'});
    this.list = h('ol', {class: 'records', tabindex: 0, 'aria-label': 'Records'});
    this.nothing = h(
      'div',
      {},
      emptyState('No log is followed', 'Name one above, or choose one in the overview.'),
    );
    this.newest = h(
      'button',
      {type: 'button', class: 'newest', hidden: true, onclick: () => this.toEnd()},
      'To the newest',
    );
    this.list.addEventListener('scroll', () => {
      this.newest.hidden = this.atEnd();
    });
    element.append(this.status, this.nothing, h('div', {class: 'tail'}, this.list, this.newest));
  }

  // From the address bar: #/tail/<log>/<seq>.
  open(log, from) {
    if (log === '' || (log === this.name && this.following)) return;
    this.log.value = log;
    this.from.value = /^[0-9]*$/.test(from) ? from : '';
    this.start();
  }

  async suggest() {
    try {
      const page = await api.get('logs', {
        contains: this.log.value.slice(0, 255) || undefined,
        limit: 20,
      });
      this.logs.replaceChildren(
        ...page.logs.filter((log) => log.log_id !== 0).map((log) => h('option', {value: log.name})),
      );
    } catch {
      // Suggestions are a help only; following says what is wrong.
    }
  }

  start() {
    ++this.epoch;
    this.name = this.log.value;
    this.next = this.from.value === '' ? null : Number(this.from.value);
    this.logId = undefined;
    this.drop();
    this.follow(true);
  }

  toggle() {
    if (this.name !== undefined) this.follow(!this.following);
  }

  follow(on) {
    this.following = on;
    this.pause.disabled = false;
    setText(this.pause, on ? 'Pause' : 'Resume');
    this.say(on ? 'following' : 'paused');
    if (on) this.run(this.epoch, (this.round = Symbol('round')));
  }

  async run(epoch, round) {
    while (this.following && epoch === this.epoch && round === this.round) {
      const full = await this.ask(epoch);
      if (!full)
        await new Promise((done) => setTimeout(done, document.hidden ? 4 * kPauseMs : kPauseMs));
    }
  }

  // Whether there is more to be had at once.
  async ask(epoch) {
    const start =
      this.next === null ? {last: kFirstRecords} : {from_seq: this.next, log_id: this.logId};
    try {
      const page = await api.get('records', {
        log: this.name,
        limit: kPageRecords,
        payload_bytes: kPayloadBytes,
        ...start,
      });
      if (epoch !== this.epoch) return false;
      this.next = page.next_seq;
      if (page.log_id !== 0) this.logId = page.log_id;
      this.take(page.records);
      this.say(page.stale ? 'stale' : 'following');
      return page.records.length >= kPageRecords;
    } catch (error) {
      if (epoch === this.epoch) this.fail(error);
      return false;
    }
  }

  // What another try may mend is tried again; the rest stops, and says what to do.
  fail(error) {
    if (error.reason === 'TRIMMED' && error.details.first_seq > 0) {
      this.next = error.details.first_seq;
      this.say('skipped');
      return;
    }
    if (error.status !== 0 && error.status < 500 && error.status !== 429) {
      this.following = false;
      setText(this.pause, 'Resume');
    }
    this.say('wrong', error.message);
  }

  say(state, message = '') {
    const name = format.visible(this.name ?? '');
    const texts = {
      idle: '',
      following: `Following ${name}`,
      paused: `Paused at seq ${format.count((this.next ?? 1) - 1)}`,
      stale: `Following ${name}; this replica hears no leader, so newer records may exist`,
      skipped: `Records before ${format.count(this.next ?? 0)} were trimmed; following from there`,
      wrong: format.visible(message),
    };
    this.status.className = `status ${state}`;
    setText(this.status, texts[state]);
    this.nothing.hidden = this.name !== undefined;
  }

  drop() {
    this.records = [];
    this.bytes = 0;
    this.redraw();
  }

  take(records) {
    if (records.length === 0) return;
    const stay = !this.atEnd();
    for (const record of records) {
      record.raw = fromBase64(record.payload);
      delete record.payload;
      this.records.push(record);
      this.bytes += record.raw.length;
    }
    this.list.append(...records.slice(-kMaxRecords).map((record) => this.makeRow(record)));
    while (this.records.length > kMaxRecords || this.bytes > kMaxBytes) {
      this.bytes -= this.records.shift().raw.length;
    }
    while (this.list.children.length > this.records.length) this.list.firstElementChild.remove();
    if (!stay) this.toEnd();
  }

  redraw() {
    this.decoder = new Decoder(this.mode.value);
    this.list.replaceChildren(...this.records.map((record) => this.makeRow(record)));
    this.toEnd();
  }

  makeRow(record) {
    const {text, note, line = text.replaceAll('\n', ' ⏎ ')} = this.decode(record);
    const notes = [
      note,
      record.raw.length < record.bytes
        ? `the first ${format.bytes(record.raw.length)} of ${format.bytes(record.bytes)}`
        : '',
    ];
    const all = notes.filter((one) => one !== '').join('; ');
    const meta = Object.entries(record.metadata ?? {});
    return h(
      'li',
      {class: record.kind === 'data' ? null : 'event'},
      h(
        'details',
        {},
        h(
          'summary',
          {},
          h('span', {class: 'seq'}, format.count(record.seq)),
          h('time', {}, format.time(record.timestamp_us)),
          h('span', {class: 'size'}, record.kind === 'data' ? format.bytes(record.bytes) : 'lease'),
          h('code', {class: 'preview'}, line.slice(0, kPreviewChars)),
          all === '' ? null : h('em', {}, all),
        ),
        meta.length === 0
          ? null
          : h(
              'p',
              {class: 'meta'},
              meta.map(([key, value]) =>
                h('span', {}, `${format.visible(key)} = ${format.visible(value)}`),
              ),
            ),
        h('pre', {tabindex: 0}, text),
      ),
    );
  }

  decode(record) {
    if (record.lease !== undefined)
      return {text: format.visible(leaseSentence(record.kind, record.lease)), note: ''};
    return this.decoder.decode(record.raw);
  }

  atEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.newest.hidden = true;
  }
}
