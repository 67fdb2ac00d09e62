// The strip under the header: what calls for somebody, worst first, each with what to do next. It
// is a live region: only what changes is touched, so a screen reader says what is new.
import {h, setAttribute, setText, syncChildren} from './dom.mjs';
import {plural, visible} from './format.mjs';

const kWords = {critical: 'Critical', warning: 'Warning', notice: 'Notice'};

function make() {
  return h(
    'article',
    {class: 'alert'},
    h('span', {class: 'badge'}),
    h('p', {}, h('strong'), ' ', h('span')),
  );
}

function update(element, alert) {
  const [badge, text] = element.children;
  const others =
    alert.logs.length > 1
      ? ` (${alert.logs.map(visible).join(', ')}${alert.logs.length >= 5 ? ', …' : ''})`
      : '';
  setAttribute(element, 'class', `alert ${alert.severity}`);
  setText(badge, kWords[alert.severity] ?? alert.severity);
  setText(text.firstElementChild, visible(alert.what) + others + '.');
  setText(text.lastElementChild, alert.next);
}

export class Alerts {
  constructor(element) {
    this.element = element;
  }

  show(cluster) {
    const alerts = [...cluster.alerts];
    if (alerts.length === 0) {
      const nodes = cluster.nodes.length;
      alerts.push({
        severity: 'calm',
        kind: 'calm',
        node: '',
        logs: [],
        next: '',
        what: `All is well: ${plural(nodes, 'node')}, ${plural(cluster.logs, 'log')}`,
      });
    }
    syncChildren(this.element, alerts, (alert) => `${alert.kind} ${alert.node}`, make, update);
    document.title = cluster.alerts.some((alert) => alert.severity === 'critical')
      ? '● Cairn'
      : 'Cairn';
  }

  // This node itself does not answer.
  lost(message) {
    const alert = {
      severity: 'critical',
      kind: 'lost',
      node: '',
      logs: [],
      what: message.replace(/\.$/, ''),
      next: 'What is shown is the last that was known. Another node has this page, too.',
    };
    syncChildren(this.element, [alert], () => 'lost', make, update);
    document.title = '● Cairn';
  }
}
