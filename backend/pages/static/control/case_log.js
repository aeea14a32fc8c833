// The register of a case (who, when, by itself or not) and the conversation with the rider.

import { el, typed } from '../dom.js';
import { t, timeOfDay, word } from '../words.js';

export function timelineOf(timeline) {
  const entries = [...timeline].reverse().map((entry) => el('li', { class: entry.automatic ? 'automatic' : '' },
    el('time', { datetime: entry.at }, timeOfDay(entry.at)),
    el('div', {},
      el('p', {}, word('log', entry.action), changeOf(entry)),
      el('p', { class: 'quiet' }, whoOf(entry), lateness(entry), entry.reason ? [' · ', reasonOf(entry)] : null))));
  return el('ol', { class: 'timeline' }, entries);
}

function changeOf(entry) {
  if (!entry.from || !entry.to || entry.from === entry.to) return entry.detail?.call_sign ? ` · ${entry.detail.call_sign}` : null;
  const state = (code) => word(entry.action.startsWith('assignment') ? 'assignment_state' : 'alert_state', code);
  const team = entry.detail?.call_sign ? ` · ${entry.detail.call_sign}` : '';
  return `${team} · ${state(entry.from)} → ${state(entry.to)}`;
}

function whoOf(entry) {
  if (entry.automatic) return t('log.automatic');
  const { kind, name } = entry.actor ?? {};
  return name ? [word('actor', kind), ' ', typed(name)] : word('actor', kind);
}

function reasonOf(entry) {
  const said = word('reason', entry.reason);
  return typed(said);
}

// Only a real delay is worth reading: a phone that was without a network, or whose clock is wrong.
function lateness(entry) {
  if (!entry.device_at) return null;
  const gap = Math.abs(Date.parse(entry.at) - Date.parse(entry.device_at)) / 1000;
  return gap > 10 ? ` · ${t('log.device_time', { time: timeOfDay(entry.device_at) })}` : null;
}

export function messagesOf(messages) {
  if (!messages.length) return el('p', { class: 'quiet' }, t('messages.none'));
  return el('ol', { class: 'messages' }, messages.map((message) => el('li', { class: message.author === 'rider' ? 'theirs' : 'ours' },
    el('p', { class: 'quiet' }, word('message_author', message.author), ' · ', timeOfDay(message.sent_at)),
    el('p', {}, typed(message.text)))));
}
