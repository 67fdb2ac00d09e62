// Dialogs: one log in detail, the keys, and the token. The browser's own <dialog> keeps the focus
// inside and closes with Escape.
import * as api from './api.mjs';
import {h, setText} from './dom.mjs';
import * as format from './format.mjs';

function show(title, ...content) {
  const dialog = h(
    'dialog',
    {'aria-labelledby': 'dialog-title', onclose: () => dialog.remove()},
    h(
      'form',
      {method: 'dialog', class: 'heading'},
      h('h2', {id: 'dialog-title'}, title),
      h('button', {class: 'icon', 'aria-label': 'Close', value: 'close'}, '×'),
    ),
    ...content,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function showKeys(keys) {
  if (document.querySelector('dialog[open]')) return;
  show(
    'Keys',
    h(
      'dl',
      {class: 'keys'},
      keys.map(([key, what]) => h('div', {}, h('dt', {}, h('kbd', {}, key)), h('dd', {}, what))),
    ),
  );
}

export function askForToken(done) {
  if (document.querySelector('dialog[open]')) return;
  const field = h('input', {type: 'password', id: 'token', autocomplete: 'off', maxlength: 1024});
  const dialog = show(
    'Who are you to this cluster?',
    h(
      'form',
      {
        onsubmit: (event) => {
          event.preventDefault();
          api.setToken(field.value.trim());
          dialog.close();
          done();
        },
      },
      h('label', {for: 'token'}, 'Token'),
      field,
      h(
        'p',
        {class: 'hint'},
        'It is kept in this tab until you close it, and sent to this node only. Empty: forget it.',
      ),
      h('button', {class: 'primary'}, 'Go on'),
    ),
  );
}

function row(name, value) {
  return h('div', {class: 'fact'}, h('dt', {}, name), h('dd', {}, value));
}

function settingsOf(log) {
  const {settings} = log;
  return [
    row('Records', `${format.count(format.firstSeq(log))} … ${format.count(log.last_seq)}`),
    row('Kept', format.bytes(log.bytes)),
    row('Last entry', format.dateTime(log.timestamp_us)),
    row('Chain', log.chain),
    row('Fenced', settings.fenced ? 'yes: appends name a lease epoch' : 'no'),
    row(
      'Retention',
      [
        settings.retention_bytes > 0 ? format.bytes(settings.retention_bytes) : '',
        settings.retention_ms > 0 ? format.span(settings.retention_ms) : '',
      ]
        .filter((text) => text !== '')
        .join(', ') || 'no limit',
    ),
    row('Archived', format.archived(log.archive, log.last_seq)),
    row('Trim guard', format.visible(settings.trim_guard) || 'none'),
    row('Producers', format.count(log.producers)),
    row(
      'Leases',
      log.leases
        .filter((lease) => lease.holder !== '')
        .map((lease) => format.visible(`${lease.name}: ${lease.holder}`))
        .join(', ') || 'none',
    ),
    row(
      'Snapshots',
      log.snapshots
        .map((snapshot) => format.visible(`${snapshot.name} as of ${format.count(snapshot.seq)}`))
        .join(', ') || 'none',
    ),
  ];
}

// Moving a leadership is the only change that the console can make; the node judges whether this
// caller may.
function transferPart(log, nodes) {
  const others = nodes.filter((node) => node.node_id !== log.leader_node_id && node.answered);
  const to = h(
    'select',
    {id: 'heir'},
    h('option', {value: ''}, 'the best follower'),
    others.map((node) => h('option', {value: node.node_id}, format.visible(node.name))),
  );
  const outcome = h('p', {class: 'hint', role: 'status'});
  const button = h(
    'button',
    {
      type: 'button',
      onclick: async () => {
        button.disabled = true;
        setText(outcome, 'Handing over …');
        try {
          await api.post('transfer', {
            log: log.name,
            ...(to.value === '' ? {} : {to_node_id: to.value}),
          });
          setText(outcome, 'Handed over.');
        } catch (error) {
          setText(outcome, format.visible(error.message));
        }
        button.disabled = false;
      },
    },
    'Move the leadership',
  );
  return h('div', {class: 'transfer'}, h('label', {for: 'heir'}, 'to'), to, button, outcome);
}

export async function showLog(name, nodes, follow) {
  const body = h('div', {}, h('p', {}, 'Asking …'));
  const dialog = show(format.visible(name), body);
  try {
    const log = await api.get('log', {log: name});
    const leader = nodes.find((node) => node.node_id === log.leader_node_id);
    body.replaceChildren(
      h(
        'dl',
        {class: 'facts'},
        row('Leader', leader === undefined ? 'none' : format.visible(leader.name)),
        row('Term', format.count(log.term)),
        ...settingsOf(log),
      ),
      h(
        'div',
        {class: 'actions'},
        h(
          'button',
          {
            type: 'button',
            class: 'primary',
            onclick: () => {
              dialog.close();
              follow(name);
            },
          },
          'Follow its tail',
        ),
        transferPart(log, nodes),
      ),
    );
  } catch (error) {
    body.replaceChildren(h('p', {class: 'wrong'}, format.visible(error.message)));
  }
}
