// Leases: who holds what, and for how long if it is not renewed. The time that is left runs here
// between two answers; the log decides, not this clock.
import * as api from './api.mjs';
import {emptyState, h, setAttribute, setText, syncChildren} from './dom.mjs';
import * as format from './format.mjs';

export class Leases {
  constructor(element) {
    this.rows = h('tbody');
    this.after = '';
    this.next = '';
    this.filter = h('input', {
      type: 'search',
      placeholder: 'Filter by log',
      'aria-label': 'Filter leases by the name of their log',
      autocomplete: 'off',
      maxlength: 255,
      oninput: () => this.turnTo(''),
    });
    this.shown = h('span', {class: 'shown', role: 'status'});
    this.first = h('button', {type: 'button', onclick: () => this.turnTo('')}, 'First');
    this.more = h('button', {type: 'button', onclick: () => this.turnTo(this.next)}, 'Next');
    this.nothing = h(
      'div',
      {hidden: true},
      emptyState(
        'Nobody holds a lease here',
        'A process takes one with the client library’s LeaseKeeper or Election, or ',
        h('code', {}, 'cairn lease keep LOG'),
        '.',
      ),
    );
    this.table = h(
      'div',
      {class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table of leases'},
      h(
        'table',
        {class: 'leases'},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...['Log', 'Lease', 'Holder', 'Epoch', 'TTL', 'Time left'].map((name, i) =>
              h('th', {scope: 'col', class: i > 2 && i < 5 ? 'number' : null}, name),
            ),
          ),
        ),
        this.rows,
      ),
    );
    element.append(
      h(
        'div',
        {class: 'heading'},
        h('h2', {}, 'Leases'),
        this.filter,
        this.shown,
        h('div', {class: 'pager'}, this.first, this.more),
      ),
      this.table,
      this.nothing,
    );
  }

  turnTo(after) {
    this.after = after;
    return this.load();
  }

  async load() {
    const mine = (this.asked = Symbol('load'));
    const page = await api.get('leases', {
      contains: this.filter.value || undefined,
      after: this.after || undefined,
    });
    if (mine !== this.asked) return;
    const now = performance.now();
    this.leases = page.leases.map((lease) => ({...lease, ends: now + lease.remaining_ms}));
    this.next = page.next;
    this.first.disabled = this.after === '';
    this.more.disabled = page.next === '';
    this.nothing.hidden = page.leases.length > 0;
    this.table.hidden = page.leases.length === 0;
    const silent =
      page.logs_silent > 0 ? `; ${format.plural(page.logs_silent, 'log')} did not answer` : '';
    setText(
      this.shown,
      `${page.leases.length} in ${format.plural(page.logs_looked_into, 'log')}${silent}`,
    );
    this.tick();
  }

  // Every few tenths of a second.
  tick() {
    if (this.leases === undefined) return;
    syncChildren(
      this.rows,
      this.leases,
      (lease) => `${lease.log} ${lease.name}`,
      makeRow,
      updateRow,
    );
  }
}

function makeRow() {
  return h(
    'tr',
    {},
    h('th', {scope: 'row'}),
    h('td'),
    h('td', {class: 'holder'}),
    h('td', {class: 'number'}),
    h('td', {class: 'number'}),
    h(
      'td',
      {class: 'left'},
      h('meter', {min: 0, max: 1, 'aria-label': 'Share of the TTL that is left'}),
      h('span'),
    ),
  );
}

function updateRow(row, lease) {
  const left = Math.max(0, lease.ends - performance.now());
  [lease.log, lease.name, lease.holder].forEach((text, i) =>
    setText(row.children[i], format.visible(text)),
  );
  setText(row.children[3], format.count(lease.epoch));
  setText(row.children[4], format.left(lease.ttl_ms));
  const [meter, text] = row.children[5].children;
  setAttribute(meter, 'value', (left / Math.max(1, lease.ttl_ms)).toFixed(3));
  setText(text, left === 0 ? 'over' : format.left(left));
  setAttribute(row, 'class', left === 0 ? 'over' : null);
}
