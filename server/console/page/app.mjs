// The page: which view is shown, what is asked how often, and the keys. One question at a time and
// each only while its view is looked at.
import {Agents} from './agents.mjs';
import {Alerts} from './alerts.mjs';
import * as api from './api.mjs';
import {askForToken, showKeys, showLog} from './dialogs.mjs';
import {setText} from './dom.mjs';
import * as format from './format.mjs';
import {Leases} from './leases.mjs';
import {LogMap} from './log_map.mjs';
import {Nodes} from './nodes.mjs';
import {Tail} from './tail.mjs';

const kRoundMs = 1000;
const kTickMs = 200;
const kViews = ['overview', 'leases', 'agents', 'tail'];

const kKeys = [
  ['1 … 4', 'Overview, leases, agents, tail'],
  ['/', 'Filter, or the log to follow'],
  ['p', 'Pause or resume the tail'],
  ['t', 'Light or dark'],
  ['?', 'This list'],
  ['Esc', 'Close what is open'],
];

const byId = (id) => document.getElementById(id);

class App {
  constructor() {
    this.alerts = new Alerts(byId('alerts'));
    this.nodes = new Nodes();
    this.map = new LogMap((name) =>
      showLog(name, this.cluster?.nodes ?? [], (log) => this.followLog(log)),
    );
    byId('overview').append(this.nodes.element, this.map.element);
    this.leases = new Leases(byId('leases'));
    this.agents = new Agents(byId('agents'));
    this.tail = new Tail(byId('tail'));
    this.listen();
    this.route();
    this.run();
    setInterval(() => this.view === 'leases' && this.leases.tick(), kTickMs);
  }

  listen() {
    addEventListener('hashchange', () => this.route());
    addEventListener('keydown', (event) => this.onKey(event));
    const ask = () => askForToken(() => this.refresh());
    document.addEventListener('cairn-need-token', ask, {once: true});
    byId('key').addEventListener('click', ask);
    document.addEventListener('visibilitychange', () => document.hidden || this.refresh());
    byId('theme').addEventListener('click', () => this.switchTheme());
    byId('help').addEventListener('click', () => showKeys(kKeys));
  }

  followLog(log) {
    location.hash = `#/tail/${encodeURIComponent(log)}/`;
  }

  route() {
    const [, wanted = '', log = '', from = ''] = location.hash.split('/');
    this.view = kViews.includes(wanted) ? wanted : 'overview';
    for (const name of kViews) byId(name).hidden = name !== this.view;
    for (const link of document.querySelectorAll('.tabs a')) {
      if (link.dataset.view === this.view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    if (this.view === 'tail') this.tail.open(decode(log), from);
    this.refresh();
  }

  async run() {
    for (;;) {
      if (!document.hidden) await this.refresh();
      await new Promise((done) => setTimeout(done, kRoundMs));
    }
  }

  // Also between rounds, when something else is looked at; one at a time.
  async refresh() {
    if (this.refreshing) {
      this.again = true;
      return;
    }
    this.refreshing = true;
    do {
      this.again = false;
      await this.ask();
    } while (this.again);
    this.refreshing = false;
  }

  async ask() {
    try {
      this.cluster = await api.get('cluster');
      this.alerts.show(this.cluster);
      this.nodes.show(this.cluster);
      this.map.setNodes(this.cluster.nodes);
      if (this.view === 'overview') await this.map.load();
      if (this.view === 'leases') await this.leases.load();
      if (this.view === 'agents') await this.agents.load();
      this.beat('live', 'Live');
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.beat('lost', {BUSY: 'Busy', UNAUTHENTICATED: 'No token'}[error.reason] ?? 'Lost');
      if (error.reason !== 'BUSY') this.alerts.lost(format.visible(error.message));
    }
  }

  beat(state, text) {
    byId('pulse').className = `pulse ${state}`;
    setText(byId('pulse').lastElementChild, text);
  }

  switchTheme() {
    const root = document.documentElement;
    const dark =
      root.dataset.theme === undefined
        ? matchMedia('(prefers-color-scheme: dark)').matches
        : root.dataset.theme === 'dark';
    root.dataset.theme = dark ? 'light' : 'dark';
    try {
      localStorage.setItem('cairn-theme', root.dataset.theme);
    } catch {
      // Then it holds for this page only.
    }
  }

  onKey(event) {
    const writing = event.target.closest?.('input, select, textarea, dialog');
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const view = kViews[Number(event.key) - 1];
    if (view !== undefined) location.hash = `#/${view}`;
    else if (event.key === '/') this.focusFilter();
    else if (event.key === 'p' && this.view === 'tail') this.tail.toggle();
    else if (event.key === 't') this.switchTheme();
    else if (event.key === '?') showKeys(kKeys);
    else return;
    event.preventDefault();
  }

  focusFilter() {
    byId(this.view).querySelector('input')?.focus();
  }
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

new App();
