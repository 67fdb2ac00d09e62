// Agents of Redis and memcached, as the log tells: who is the primary of which cache, who could
// take over, and how safe what the primary acknowledged is.
import * as api from './api.mjs';
import {emptyState, h, setAttribute, setText, syncChildren} from './dom.mjs';
import * as format from './format.mjs';

function makeCache() {
  return h(
    'article',
    {class: 'card cache'},
    h('header', {}, h('h3'), h('span', {class: 'state'})),
    h(
      'dl',
      {},
      ...['Primary', 'Copies', 'Replica lag', 'Last snapshot', 'Records since then'].map((name) =>
        h('div', {class: 'fact'}, h('dt', {}, name), h('dd')),
      ),
    ),
    h(
      'div',
      {class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Agents of the cache'},
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...['Agent', 'Role', 'Sentinel', 'Presence'].map((name) =>
              h('th', {scope: 'col'}, name),
            ),
          ),
        ),
        h('tbody'),
      ),
    ),
  );
}

function factsOf(cache) {
  const safe = cache.durability;
  const snapshot = cache.snapshot;
  return [
    cache.primary === null ? 'none' : cache.primary_address || cache.primary.holder,
    safe === null ? '–' : `${safe.copies} of ${safe.replicas}`,
    safe === null ? '–' : format.plural(safe.lag_entries, 'entry', 'entries'),
    snapshot === null ? 'none' : format.dateTime(snapshot.timestamp_us),
    format.count(snapshot === null ? cache.last_seq : snapshot.records_since),
  ];
}

function updateAgent(row, agent) {
  const texts = [
    agent.address,
    agent.role,
    agent.sentinel || '–',
    agent.remaining_ms > 0 ? `renewed, ${format.left(agent.remaining_ms)} left` : 'over',
  ];
  texts.forEach((text, i) => setText(row.children[i], format.visible(text)));
  setAttribute(row.children[1], 'class', `role ${agent.role}`);
}

function updateCache(card, cache) {
  const [head, facts, scroll] = card.children;
  setText(head.firstElementChild, format.visible(cache.log));
  setText(
    head.lastElementChild,
    cache.primary === null ? 'no primary' : format.plural(cache.agents.length, 'agent'),
  );
  setAttribute(card, 'class', `card cache ${cache.primary === null ? 'lost' : 'ready'}`);
  factsOf(cache).forEach((text, i) =>
    setText(facts.children[i].lastElementChild, format.visible(text)),
  );
  syncChildren(
    scroll.querySelector('tbody'),
    cache.agents,
    (agent) => agent.address,
    () => h('tr', {}, h('th', {scope: 'row'}), h('td'), h('td'), h('td')),
    updateAgent,
  );
}

export class Agents {
  constructor(element) {
    this.cards = h('div', {class: 'caches'});
    this.nothing = h(
      'div',
      {hidden: true},
      emptyState(
        'No agent has announced itself',
        'Start one beside a Redis or a memcached: ',
        h('code', {}, 'cairn-agent redis --log cache …'),
        ' (docs/agent.md). It is listed here while its lease in ',
        h('code', {}, 'cache.agents'),
        ' is renewed.',
      ),
    );
    element.append(h('div', {class: 'heading'}, h('h2', {}, 'Agents')), this.cards, this.nothing);
  }

  async load() {
    const {caches} = await api.get('agents');
    this.nothing.hidden = caches.length > 0;
    syncChildren(this.cards, caches, (cache) => cache.log, makeCache, updateCache);
  }
}
