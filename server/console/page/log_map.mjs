// Overview, lower part: which node leads which log, where its replicas are and how far. A page of
// rows at a time, so that the document stays small however many logs there are.
import * as api from './api.mjs';
import {emptyState, h, setAttribute, setText, syncChildren} from './dom.mjs';
import * as format from './format.mjs';

const kPageSize = 25;

const kMarks = {leader: 'L', follower: 'F', candidate: 'C', learner: 'l', halted: 'H', '': '?'};

// How a replica is, in a word, worst first.
export function standingOf(replica, answered) {
  if (!answered) return 'lost';
  if (replica.role === 'halted') return 'halted';
  if (replica.suspect) return 'suspect';
  if (replica.role === '') return 'absent';
  if (replica.standing !== 'sound') return 'doubtful';
  if (replica.lag_entries > 1000) return 'lagging';
  return replica.role;
}

function describeReplica(replica, node, standing) {
  if (standing === 'lost') return `${node}: does not answer`;
  const lag =
    replica.lag_entries > 0
      ? `, ${format.plural(replica.lag_entries, 'entry', 'entries')} behind`
      : '';
  return `${node}: ${standing}${lag}`;
}

// Rates of logs, by how far their last seq moved; only of those on the page.
class LogRates {
  constructor() {
    this.before = new Map();
    this.rates = new Map();
  }

  note(logs, now) {
    const next = new Map();
    for (const log of logs) {
      const before = this.before.get(log.log_id);
      const moved = before === undefined ? 0 : log.last_seq - before.last_seq;
      if (before !== undefined && now > before.at) {
        this.rates.set(log.log_id, Math.max(0, moved) / ((now - before.at) / 1000));
      }
      next.set(log.log_id, {last_seq: log.last_seq, at: now});
    }
    this.before = next;
    for (const id of this.rates.keys()) if (!next.has(id)) this.rates.delete(id);
  }

  of(log) {
    return this.rates.get(log.log_id) ?? null;
  }
}

export class LogMap {
  // `open(log)` shows the details of a log.
  constructor(open) {
    this.open = open;
    this.rates = new LogRates();
    this.offset = 0;
    this.matching = 0;
    this.nodes = [];
    this.filter = h('input', {
      type: 'search',
      id: 'filter',
      placeholder: 'Filter by name',
      'aria-label': 'Filter logs by name',
      autocomplete: 'off',
      maxlength: 255,
      oninput: () => this.turnTo(0),
    });
    this.head = h('tr');
    this.rows = h('tbody');
    this.shown = h('span', {class: 'shown', role: 'status'});
    this.previous = h(
      'button',
      {type: 'button', onclick: () => this.turnTo(this.offset - kPageSize)},
      'Previous',
    );
    this.next = h(
      'button',
      {type: 'button', onclick: () => this.turnTo(this.offset + kPageSize)},
      'Next',
    );
    this.nothing = h('div', {hidden: true});
    this.table = h(
      'table',
      {class: 'map'},
      h('caption', {class: 'unseen'}, 'Logs by node'),
      h('thead', {}, this.head),
      this.rows,
    );
    this.element = h(
      'section',
      {'aria-label': 'Logs'},
      h(
        'div',
        {class: 'heading'},
        h('h2', {}, 'Logs'),
        this.filter,
        this.shown,
        h('div', {class: 'pager'}, this.previous, this.next),
      ),
      h(
        'div',
        {class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table of logs'},
        this.table,
      ),
      this.nothing,
      h(
        'p',
        {class: 'legend'},
        ...['leader', 'follower', 'candidate', 'halted', 'lost'].map((role) =>
          h(
            'span',
            {},
            h('i', {class: `mark ${role}`}, role === 'lost' ? '?' : kMarks[role]),
            role === 'lost' ? 'no answer' : role,
          ),
        ),
      ),
    );
  }

  turnTo(offset) {
    this.offset = Math.max(0, offset);
    this.load();
  }

  async load() {
    const mine = (this.asked = Symbol('load'));
    const page = await api.get('logs', {
      contains: this.filter.value || undefined,
      offset: this.offset,
      limit: kPageSize,
    });
    if (mine !== this.asked) return; // A later question was put meanwhile.
    if (page.logs.length === 0 && page.matching > 0) return this.turnTo(0);
    this.rates.note(page.logs, performance.now());
    this.show(page);
  }

  setNodes(nodes) {
    this.nodes = nodes;
    const columns = [
      {key: 'log', text: 'Log'},
      {key: 'leader', text: 'Leader'},
      ...nodes.map((node) => ({key: `n${node.node_id}`, text: format.visible(node.name), node})),
      {key: 'lag', text: 'Lag'},
      {key: 'rate', text: 'Records/s'},
      {key: 'last', text: 'Last seq'},
    ];
    syncChildren(
      this.head,
      columns,
      (column) => column.key,
      (column) =>
        h('th', {
          scope: 'col',
          class: column.node ? 'cell' : ['log', 'leader'].includes(column.key) ? null : 'number',
        }),
      (cell, column) => setText(cell, column.text),
    );
  }

  show(page) {
    this.matching = page.matching;
    const last = Math.min(page.offset + page.logs.length, page.matching);
    const all = format.count(page.matching) + (page.logs_cut ? ' and more' : '');
    setText(this.shown, page.matching === 0 ? '' : `${page.offset + 1}–${last} of ${all}`);
    this.previous.disabled = page.offset === 0;
    this.next.disabled = last >= page.matching;
    this.table.parentElement.hidden = page.matching === 0;
    this.nothing.hidden = page.matching > 0;
    this.nothing.replaceChildren(
      emptyState('No log has that in its name', 'Clear the filter to see all.'),
    );
    syncChildren(
      this.rows,
      page.logs,
      (log) => log.log_id,
      (log) => this.makeRow(log),
      (row, log) => this.updateRow(row, log),
    );
  }

  makeRow(log) {
    const name =
      log.log_id === 0
        ? h('span', {title: 'What logs and members there are'})
        : h('button', {type: 'button', class: 'link', onclick: () => this.open(log.name)});
    return h('tr', {}, h('th', {scope: 'row'}, name), h('td', {class: 'leader'}));
  }

  updateRow(row, log) {
    const nameOf = new Map(this.nodes.map((node) => [node.node_id, format.visible(node.name)]));
    setText(row.children[0].firstElementChild, format.visible(log.name));
    const leader =
      log.leader_node_id === ''
        ? log.quorum
          ? 'electing'
          : 'no quorum'
        : (nameOf.get(log.leader_node_id) ?? log.leader_node_id);
    setText(row.children[1], leader);
    setAttribute(row.children[1], 'class', log.leader_node_id === '' ? 'leader none' : 'leader');
    this.updateCells(row, log);
  }

  updateCells(row, log) {
    const marks = this.nodes.map((node) => this.markOf(log, node));
    const lag = Math.max(0, ...log.replicas.map((replica) => replica.lag_entries));
    const rate = this.rates.of(log);
    const cells = [
      ...marks,
      {text: lag === 0 ? '0' : format.short(lag), class: 'number'},
      {text: rate === null ? '–' : format.short(rate), class: 'number'},
      {text: format.count(log.last_seq), class: 'number'},
    ];
    while (row.children.length > cells.length + 2) row.lastElementChild.remove();
    while (row.children.length < cells.length + 2) row.append(h('td', {}, h('span')));
    cells.forEach((cell, i) => {
      const element = row.children[i + 2];
      setAttribute(element, 'class', cell.class);
      const inner = element.firstElementChild;
      setText(inner, cell.text);
      setAttribute(inner, 'class', cell.mark);
      setAttribute(inner, 'title', cell.title);
      setAttribute(inner, 'role', cell.title === undefined ? null : 'img');
      setAttribute(inner, 'aria-label', cell.title);
    });
  }

  markOf(log, node) {
    const replica = log.replicas.find((one) => one.node_id === node.node_id);
    if (replica === undefined) return {text: '', class: 'cell'};
    const standing = standingOf(replica, node.answered);
    const bad = ['suspect', 'doubtful', 'lagging', 'absent'].includes(standing);
    return {
      text: standing === 'lost' ? '?' : bad ? '!' : (kMarks[replica.role] ?? '?'),
      class: 'cell',
      mark: `mark ${standing}`,
      title: describeReplica(replica, format.visible(node.name), standing),
    };
  }
}
