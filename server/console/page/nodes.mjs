// Overview, upper part: rates and latencies of the cluster as charts, and a card for each node.
import {Chart} from './chart.mjs';
import {h, setAttribute, setText, syncChildren} from './dom.mjs';
import * as format from './format.mjs';
import {Series, difference, merge} from './rates.mjs';

const kPoints = 120;

const perSecond = (value) => `${format.short(value)}/s`;
const bytesPerSecond = (value) => `${format.bytes(value)}/s`;

const kCharts = [
  {
    title: 'Appends',
    about: 'Append requests a second, at all nodes, and those that were refused',
    format: perSecond,
    lines: [
      {name: 'appends', label: '', class: 'main'},
      {name: 'refused', label: 'refused', class: 'bad'},
    ],
  },
  {
    title: 'Payload',
    about: 'Bytes of payload appended a second, at all nodes',
    format: bytesPerSecond,
    unit: 1024,
    lines: [{name: 'bytes', label: '', class: 'main'}],
  },
  {
    title: 'Append latency',
    about: 'From an append’s arrival at a node to its answer',
    format: format.seconds,
    lines: [
      {name: 'appendP50', label: 'p50', class: 'main'},
      {name: 'appendP99', label: 'p99', class: 'second'},
    ],
  },
  {
    title: 'Disk latency',
    about: 'One write and sync of everything that waited for the disk',
    format: format.seconds,
    lines: [
      {name: 'syncP50', label: 'p50', class: 'main'},
      {name: 'syncP99', label: 'p99', class: 'second'},
    ],
  },
  {
    title: 'Syncs',
    about: 'Syncs of disks a second, at all nodes',
    format: perSecond,
    lines: [{name: 'syncs', label: '', class: 'main'}],
  },
];

const kNothing = {
  appends: null,
  refused: null,
  bytes: null,
  syncs: null,
  appendP50: null,
  appendP99: null,
  syncP50: null,
  syncP99: null,
};

const kStates = {
  ready: 'ready',
  forming: 'forming',
  storage_full: 'disk full',
  draining: 'draining',
  failed: 'failed',
};

function fact(name) {
  return h('div', {class: 'fact'}, h('dt', {}, name), h('dd'));
}

function makeCard() {
  return h(
    'article',
    {class: 'card node'},
    h(
      'header',
      {},
      h('i', {class: 'dot', 'aria-hidden': 'true'}),
      h('h3'),
      h('span', {class: 'state'}),
    ),
    h('p', {class: 'where'}),
    h(
      'dl',
      {},
      fact('Leads'),
      fact('Follows'),
      fact('Appends'),
      fact('Tails'),
      fact('Disk free'),
      fact('Up'),
    ),
  );
}

function stateOf(node) {
  return node.answered ? (kStates[node.state] ?? node.state) : 'no answer';
}

function factsOf(node, appends) {
  if (!node.answered) return ['–', '–', '–', '–', '–', '–'];
  const roles = node.roles;
  return [
    format.count(roles.leader ?? 0),
    format.count(roles.follower ?? 0),
    appends === null ? '–' : perSecond(appends),
    format.count(node.counters.open_tails),
    format.bytes(node.disk_free_bytes),
    format.span(node.uptime_ms),
  ];
}

function updateCard(card, {node, self, appends}) {
  const [head, where, facts] = card.children;
  setAttribute(card, 'class', `card node ${node.answered ? node.state : 'lost'}`);
  setText(head.children[1], format.visible(node.name));
  setText(head.children[2], stateOf(node));
  setAttribute(card, 'aria-label', `Node ${format.visible(node.name)}, ${stateOf(node)}`);
  const parts = [
    node.address,
    node.zone === '' ? '' : `zone ${node.zone}`,
    node.answered ? `v${node.version}` : '',
    self ? 'this page' : '',
  ];
  setText(
    where,
    parts
      .filter((part) => part !== '')
      .map(format.visible)
      .join(' · '),
  );
  factsOf(node, appends).forEach((text, i) => setText(facts.children[i].lastElementChild, text));
}

export class Nodes {
  constructor() {
    this.before = new Map(); // Of each node, the answer that its next one is compared with.
    this.appends = new Map();
    this.series = new Series(kPoints);
    this.charts = kCharts.map((chart) => new Chart({...chart, capacity: kPoints}));
    this.cards = h('div', {class: 'cards'});
    this.element = h(
      'div',
      {class: 'stack'},
      h(
        'section',
        {class: 'charts', 'aria-label': 'Rates and latencies'},
        this.charts.map((chart) => chart.element),
      ),
      h('section', {'aria-label': 'Nodes'}, h('h2', {}, 'Nodes'), this.cards),
    );
  }

  // Several pages share an answer: one that was seen before says nothing new.
  note(nodes) {
    const differences = [];
    for (const node of nodes) {
      const before = this.before.get(node.node_id);
      const now = difference(before, node);
      if (now !== null) {
        differences.push(now);
        this.appends.set(node.node_id, now.appends / now.seconds);
      }
      const same = before?.answered && node.answered && before.uptime_ms === node.uptime_ms;
      if (!same) this.before.set(node.node_id, node);
    }
    this.series.add(merge(differences) ?? this.series.points.at(-1) ?? kNothing);
  }

  show(cluster) {
    this.note(cluster.nodes);
    for (const chart of this.charts) chart.update(this.series);
    const rows = cluster.nodes.map((node) => ({
      node,
      self: node.node_id === cluster.self_node_id,
      appends: this.appends.get(node.node_id) ?? null,
    }));
    syncChildren(this.cards, rows, (row) => row.node.node_id, makeCard, updateCard);
  }
}
