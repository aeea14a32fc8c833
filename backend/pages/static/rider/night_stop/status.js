// What the rider reads about her night stop. Facts only: a stop is promised when the driver has said yes, not before.

import { secondsUntil } from '../../clock.js';
import { el, refresh, setText } from '../../dom.js';
import { distance, lapse, t, timeOfDay, word, wordIn } from '../../words.js';
import { isOver } from './request.js';

const CAN_CANCEL = new Set(['requested', 'sent_to_driver', 'accepted', 'alternative_proposed', 'approaching']);

// What the timer says: it runs, it has asked, it was answered, or the alert has gone out.
const HOME = { running: 'home_running', asked: 'home_asked', home: 'home', alerted: 'home_alerted' };

// Tone: told (certain), waiting (open), unsent, or aloud (she must speak up now).
export function headline(record) {
  const { stop } = record;
  const place = placeName(stop?.place) || record.said;
  const said = (name, tone, values = {}) => ({ tone, text: t(`night_status.${name}`, { place, ...values }), more: t(`night_status.${name}_more`, { place, ...values }) });
  if (!record.sent) return said('unsent', 'unsent');
  switch (stop.state) {
    case 'accepted': return lost(stop) ? said('lost', 'aloud') : said('accepted', 'told');
    case 'approaching': return said('approaching', 'told');
    case 'alternative_proposed': return said('alternative_proposed', 'waiting', { other: placeName(stop.alternative) });
    case 'refused': return said('refused', 'aloud', { reason: word('refusal', stop.refusal_reason) });
    case 'withdrawn': return said('withdrawn', 'aloud', { reason: word('refusal', stop.refusal_reason) });
    case 'expired': return said('expired', 'aloud');
    case 'missed': return said('missed', 'aloud');
    case 'cancelled': return said('cancelled', 'told');
    case 'alighted': return said(HOME[stop.home_state] ?? 'alighted', stop.home_state === 'asked' || stop.home_state === 'alerted' ? 'aloud' : 'told', { time: timeOfDay(stop.home_due_at) });
    case 'rejected': {
      const code = stop.reject_code ?? record.problem?.code;
      return { tone: 'waiting', text: word('night_code', code), more: t(code === 'already_passed' ? 'night_status.passed_more' : 'night_status.rejected_more') };
    }
    default: return said('sent', 'waiting');
  }
}

function lost(stop) {
  return stop.ask_aloud && stop.state === 'accepted';
}

export function placeName(place) {
  if (!place) return '';
  const metres = place.metres_after_stop;
  if (place.after_stop && Number.isFinite(metres)) return t('night.after', { stop: place.after_stop, distance: distance(Math.max(10, metres)) });
  if (place.after_stop && place.before_stop) return t('night.between', { after: place.after_stop, before: place.before_stop });
  return place.name ?? '';
}

export class Status {
  constructor({ root, onSay, onAgain, onDone }) {
    Object.assign(this, { root, onSay, onAgain, onDone });
  }

  draw(record) {
    this.record = record;
    if (!record) return;
    refresh(this.root, [document.documentElement.lang, record.stop, record.sent, record.waiting.length, record.problem], () => this.build(record));
    this.tick();
  }

  build(record) {
    const { stop } = record;
    const top = headline(record);
    this.left = el('span', { class: 'countdown small-countdown', 'aria-hidden': 'true' });
    const aloud = stop?.ask_aloud || (top.tone === 'aloud' && stop.state !== 'alighted');
    const next = stop?.next_stop;
    return el('div', { class: 'night-card', data: { tone: top.tone } },
      el('p', { class: 'night-head' }, el('strong', { class: 'night-headline' }, top.text), this.left),
      top.more ? el('p', {}, top.more) : null,
      aloud && next ? el('p', { class: 'next-stop' }, next.eta_s === null || next.eta_s === undefined ? t('night.next_stop', { stop: next.name })
        : t('night.next_stop_in', { stop: next.name, time: lapse(next.eta_s) })) : null,
      stop?.code && !isOver(stop) ? el('p', { class: 'night-code' }, el('span', {}, t('night.code')), ' ', el('b', { translate: 'no' }, stop.code)) : null,
      this.buttons(record),
      stop?.facts?.length ? el('ol', { class: 'fact-list' }, stop.facts.map(({ code, at }) => el('li', {}, el('span', {}, wordIn(code, 'night_fact', 'night_code')), el('time', { datetime: at }, timeOfDay(at))))) : null,
      record.waiting.length ? el('p', { class: 'quiet', role: 'status' }, t('status.more_waiting')) : null);
  }

  buttons(record) {
    const { stop } = record;
    const button = (label, run, kind = '') => el('button', { type: 'button', class: `wide ${kind}`, data: { focus: label }, on: { click: run } }, t(label));
    if (!record.sent) return button('night.cancel', () => this.onSay('cancel'));
    const all = [];
    if (stop.state === 'alternative_proposed') {
      all.push(button('night.take', () => this.onSay('alternative', { accept: true }), 'strong'), button('night.leave_it', () => this.onSay('alternative', { accept: false })));
    }
    if (stop.state === 'alighted' && stop.home_due_at) all.push(button('night.arrived', () => this.onSay('arrived'), 'strong tall'));
    if (stop.state === 'alighted' && !['home', 'alerted'].includes(stop.home_state)) all.push(button('night.still_on_board', () => this.onSay('still-on-board')));
    if (['rejected', 'refused', 'expired', 'withdrawn', 'missed'].includes(stop.state)) {
      all.push(...(record.problem?.instead ?? stop.instead ?? []).filter((one) => one.kind !== 'regular_stop').map((one) => el('button', {
        type: 'button', class: 'wide', on: { click: () => this.onAgain(one) } }, insteadWords(one))), button('night.again', () => this.onAgain()));
    }
    if (CAN_CANCEL.has(stop.state)) all.push(button('night.cancel', () => this.onSay('cancel')));
    if (isOver(stop)) all.push(button('rider.done', () => this.onDone()));
    return el('div', { class: 'night-buttons' }, all);
  }

  tick() {
    const { record } = this;
    if (!record || !this.left) return;
    const { stop } = record;
    const until = stop?.state === 'alighted' ? stop.home_due_at : ['sent_to_driver', 'alternative_proposed'].includes(stop?.state) ? stop.answer_by : null;
    const seconds = until ? secondsUntil(until) : 0;
    setText(this.left, seconds > 0 ? (seconds > 90 ? lapse(seconds) : String(Math.ceil(seconds))) : '');
  }
}

// “Un peu plus loin : Castellane – Préfecture (90 m à pied en plus)”
export function insteadWords({ kind, name, walk_difference_m: walk }, place = name) {
  const more = walk === null || walk === undefined || Math.abs(walk) < 5 ? '' : t(walk > 0 ? 'instead.further' : 'instead.nearer', { distance: distance(Math.abs(walk)) });
  return [t(`instead.${kind}`, { name: place }), more].filter(Boolean).join(' · ');
}
