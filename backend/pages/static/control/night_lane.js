// Night stops in their own lane below the alerts: what riders ask, what drivers answer, who must be looked at now.

import { secondsSince, secondsUntil } from '../clock.js';
import { announce, byId, el, keyed, refresh, setClass, setText, show } from '../dom.js';
import { lapse, t, timeOfDay, word, wordIn } from '../words.js';

const LIVE = new Set(['requested', 'sent_to_driver', 'alternative_proposed', 'accepted', 'approaching']);
const DENIED = new Set(['rejected', 'refused', 'expired', 'withdrawn', 'missed']);
const KEPT_S = 1800;

export class NightLane {
  constructor({ api, store, places }) {
    Object.assign(this, { api, store, places });
    this.stops = new Map();
    this.suspensions = [];
    this.list = byId('lane-list');
    store.onChange((change) => this.changed(change));
  }

  changed({ kind, night_stop: stop, suspensions }) {
    if (kind === 'all') void this.read();
    else if (kind === 'night_stop') this.put(stop);
    else if (kind === 'suspensions') {
      this.suspensions = suspensions;
      this.later();
    }
  }

  async read() {
    try {
      const { items, suspensions } = await this.api.get('/v1/control/night-stops?state=all&limit=100');
      this.stops = new Map(items.map((one) => [one.id, one]));
      this.suspensions = suspensions ?? [];
      show(byId('lane'), true);
    } catch {
      // An operator without night stops on this network still has the alerts.
    }
    this.later();
  }

  put(stop) {
    const known = this.stops.get(stop.id);
    if (known && known.version > stop.version) return;
    this.stops.set(stop.id, stop);
    if (isDanger(stop) && !(known && isDanger(known))) announce(t('lane.raised_said'));
    this.later();
  }

  later() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.render(); });
  }

  ordered() {
    const found = [...this.stops.values()].filter((one) => LIVE.has(one.state) || secondsSince(one.changed_at ?? one.received_at) < KEPT_S);
    return found.sort((a, b) => rank(a) - rank(b) || (a.received_at < b.received_at ? 1 : -1));
  }

  render() {
    const shown = this.ordered();
    const live = shown.filter((one) => LIVE.has(one.state)).length;
    setText(byId('lane-count'), t('lane.count', { n: live }));
    show(byId('lane-empty'), shown.length === 0);
    refresh(byId('lane-suspended'), [document.documentElement.lang, this.suspensions], () => this.suspensions.map((one) => el('p', { class: 'nobody' }, suspensionWords(one, this.places))));
    keyed(this.list, shown, (one) => one.id, () => this.create(), (row, one) => this.update(row, one));
    this.tick();
  }

  create() {
    const parts = { line: el('span', { class: 'lane-line' }), place: el('span', { class: 'lane-place' }), state: el('span', { class: 'lane-state' }), age: el('span', { class: 'lane-age' }) };
    const body = el('div', { class: 'lane-body' });
    const row = el('li', { class: 'lane-row' }, el('details', {}, el('summary', {}, parts.line, parts.place, parts.age, parts.state), body));
    return Object.assign(row, { parts, body });
  }

  update(row, stop) {
    row.stop = stop;
    setClass(row, `lane-row ${isDanger(stop) ? 'danger' : LIVE.has(stop.state) ? 'live' : 'over'}`);
    setText(row.parts.line, this.places.lineName(stop.line_id) ?? stop.line_id);
    setText(row.parts.place, stop.place?.name || t('lane.no_place'));
    refresh(row.parts.state, [document.documentElement.lang, stop], () => [stop.raised ? el('span', { class: `mark ${isDanger(stop) ? 'loud' : 'strong'}` }, t('lane.open_alert')) : null, ` ${stateWords(stop)}`]);
    refresh(row.body, [document.documentElement.lang, stop], () => detailsOf(stop));
  }

  tick() {
    for (const row of this.list.children) {
      const { stop, parts } = row;
      const left = stop.state === 'sent_to_driver' ? secondsUntil(stop.answer_by) : null;
      setText(parts.age, left !== null && left > 0 ? t('lane.left', { s: Math.ceil(left) }) : lapse(secondsSince(stop.received_at)));
    }
  }
}

function isDanger(stop) {
  return Boolean(stop.raised) && DENIED.has(stop.state);
}

function rank(stop) {
  if (isDanger(stop)) return 0;
  if (stop.state === 'sent_to_driver') return 1;
  return LIVE.has(stop.state) ? 2 : 3;
}

function stateWords(stop) {
  const state = word('night_state', stop.state);
  if (stop.refusal_reason) return `${state} (${word('refusal', stop.refusal_reason)})`;
  if (stop.state === 'rejected') return `${state} : ${word('night_code', stop.reject_code)}`;
  return state;
}

function detailsOf(stop) {
  const facts = [
    stop.vehicle_number ? [t('lane.vehicle'), stop.vehicle_number] : null,
    stop.code ? [t('lane.code'), stop.code] : null,
    stop.ramp ? [t('lane.ramp'), t('lane.ramp_said')] : null,
    stop.joined_to ? [t('lane.joined'), t('lane.joined_said')] : null,
    ...(stop.facts ?? []).map(({ code, at }) => [wordIn(code, 'night_fact', 'night_code'), timeOfDay(at)]),
  ].filter(Boolean);
  return el('dl', { class: 'facts' }, facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

export function suspensionWords({ reason, line_id: line, until }, places) {
  const where = line ? t('place.line', { name: places.lineName(line) ?? line }) : t('suspend.everywhere');
  return `${t('suspend.running', { reason: word('suspension', reason), where })}${until ? ` · ${t('suspend.until', { time: timeOfDay(until) })}` : ''}`;
}
