// One night stop for one glance: a line to read, and buttons that a hand finds without looking for them.

import { secondsUntil } from '../clock.js';
import { el, setText } from '../dom.js';
import { distance, t, word } from '../words.js';
import { PROMISED } from './state.js';

export const REASONS = ['traffic', 'visibility', 'parked_vehicles', 'works', 'road_layout', 'weather', 'timetable', 'already_passed', 'other'];

// “Descente après Castellane, ~180 m, porte avant · 2 pers. · rampe ?”
export function oneLine({ after_stop: stop, metres_after_stop: metres, people, ramp }) {
  const where = stop ? t('driver.after', { stop, distance: distance(Math.max(10, metres ?? 0)) }) : t('driver.somewhere');
  return [where, people > 1 ? t('driver.people', { n: people }) : null, ramp ? t('driver.ramp') : null].filter(Boolean).join(' · ');
}

// `onSay(action, body)` sends an answer; `isNext` is false for the stops that come after another one.
export function stopCard(stop, { onSay, isNext }) {
  const asked = stop.state === 'sent_to_driver';
  const promised = PROMISED.has(stop.state);
  const left = el('p', { class: 'left', 'aria-hidden': 'true' });
  const bar = el('progress', { class: 'left-bar', max: 20, value: 20, 'aria-hidden': 'true' });
  const reasons = el('div', { class: 'reasons', hidden: true, role: 'group', 'aria-label': t('driver.why') }, el('p', {}, t('driver.why')),
    REASONS.map((code) => button(word('refusal', code), 'reason', () => onSay(promised ? 'withdraw' : 'refuse', { reason: code }), `reason-${code}`)));
  const why = button(t(promised ? 'driver.withdraw' : 'driver.refuse'), 'refuse', () => {
    reasons.hidden = !reasons.hidden;
    card.dataset.refusing = String(!reasons.hidden);
    why.setAttribute('aria-expanded', String(!reasons.hidden));
    if (!reasons.hidden) reasons.querySelector('button').focus();
  }, 'refuse');
  why.setAttribute('aria-expanded', 'false');
  const card = el('article', { class: 'stop', data: { id: stop.id, state: stop.state, next: String(isNext) } },
    el('h2', {}, oneLine(stop)),
    asked ? [left, bar] : el('p', { class: 'stop-state' }, el('span', { class: 'tag' }, word('driver_state', stop.state)),
      ' ', el('span', { class: 'detail' }, t('driver.code', { codes: (stop.codes ?? [stop.code]).join(' · ') }))),
    el('div', { class: 'answers' },
      asked ? [button(t('driver.accept'), 'strong accept', () => onSay('accept'), 'accept'), button(t('driver.propose'), 'propose', () => onSay('propose'), 'propose')] : null,
      promised ? button(t('driver.alighted'), 'strong', () => onSay('alighted'), 'alighted') : null,
      why),
    reasons);
  card.tick = () => {
    if (!asked) return;
    const seconds = secondsUntil(stop.answer_by);
    bar.value = Math.max(0, Math.min(20, seconds));
    setText(left, seconds > 0 ? t('driver.left', { s: Math.ceil(seconds) }) : t('driver.silent'));
  };
  card.tick();
  return card;
}

function button(label, kind, run, focus) {
  const node = el('button', { type: 'button', class: kind, data: { focus } }, label);
  node.addEventListener('click', async () => {
    node.disabled = true;
    try { await run(); } finally { node.disabled = false; }
  });
  return node;
}
