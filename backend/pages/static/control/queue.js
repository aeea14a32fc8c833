// The queue: every open alert, unseen ones first, each with its age and what happens next by itself.

import { placeNode, describe, title } from '../alert_words.js';
import { secondsSince, secondsUntil } from '../clock.js';
import { byId, el, keyed, setClass, setText, show } from '../dom.js';
import { lapse, t, word } from '../words.js';
import { inOrder, isDanger, isUnseen, matches, urgency } from './ranking.js';

const STEP = 100;

export class Queue {
  constructor({ store, places, onOpen, onSeen }) {
    Object.assign(this, { store, places, onOpen, onSeen });
    this.list = byId('queue-list');
    this.limit = STEP;
    this.needle = '';
    byId('queue-search').addEventListener('input', (event) => {
      this.needle = event.target.value.trim().toLowerCase();
      this.limit = STEP;
      this.later();
    });
    byId('queue-more').addEventListener('click', () => {
      this.limit += STEP;
      this.render();
    });
    store.onChange(({ kind }) => { if (!['positions', 'message', 'night_stop', 'suspensions'].includes(kind)) this.later(); });
  }

  // A burst of events is drawn once.
  later() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.render(); });
  }

  ordered() {
    const found = this.store.open().filter((alert) => matches(alert, this.needle, (one) => describe(one, this.places)));
    return inOrder(found);
  }

  render() {
    const ordered = this.ordered();
    const shown = ordered.slice(0, this.limit);
    keyed(this.list, shown, (alert) => alert.id, () => this.create(), (row, alert) => this.update(row, alert));
    show(byId('queue-empty'), ordered.length === 0);
    setText(byId('queue-empty'), t(this.needle ? 'queue.none_found' : 'queue.empty'));
    const more = byId('queue-more');
    show(more, ordered.length > shown.length);
    setText(more, t('queue.more', { n: ordered.length - shown.length }));
    this.counts();
    this.tick();
  }

  counts() {
    const open = this.store.open();
    const unseen = open.filter(isUnseen).length;
    const danger = open.filter(isDanger).length;
    setText(byId('count-open'), t('count.open', { n: open.length }));
    setText(byId('count-unseen'), t('count.unseen', { n: unseen }));
    byId('count-unseen').dataset.loud = String(unseen > 0);
    const wanted = open.filter((alert) => alert.needs_human).length;
    setText(byId('count-needs'), t('count.needs_human', { n: wanted }));
    byId('count-needs').dataset.loud = String(wanted > 0);
    document.title = `${danger ? `(${danger}) ` : ''}${t('control.title')} · Vigie`;
  }

  create() {
    const parts = {
      sign: el('span', { class: 'priority' }),
      title: el('span', { class: 'row-title' }),
      marks: el('span', { class: 'row-marks' }),
      place: el('span', { class: 'row-place' }),
      state: el('span', { class: 'row-state' }),
      age: el('span', { class: 'row-age' }),
      next: el('span', { class: 'row-next' }),
      seen: el('button', { class: 'small strong row-seen', type: 'button' }),
    };
    const open = el('button', { class: 'row-open', type: 'button', on: { click: () => this.onOpen(row.dataset.id) } },
      parts.sign, el('span', { class: 'row-text' }, el('span', { class: 'row-head' }, parts.title, parts.marks), parts.place, parts.state),
      el('span', { class: 'row-times' }, parts.age, parts.next));
    parts.seen.addEventListener('click', () => this.onSeen(row.dataset.id));
    const row = el('li', {}, open, parts.seen);
    row.parts = parts;
    row.openButton = open;
    return row;
  }

  update(row, alert) {
    row.alert = alert;
    row.dataset.id = alert.id;
    setClass(row, `row ${urgency(alert)}${isUnseen(alert) ? ' unseen' : ''}${alert.needs_human ? ' needs-human' : ''}`);
    const { sign, title: heading, marks, place, state, seen } = row.parts;
    setClass(sign, `priority priority-${alert.priority}`);
    setText(sign, t('priority.short', { n: alert.priority }));
    setText(heading, title(alert));
    row.openButton.setAttribute('aria-current', String(alert.id === this.store.selected));
    const key = JSON.stringify([alert.place, alert.position, alert.contact_mode, alert.duress, alert.exercise, alert.cancel, this.places.stops.size, document.documentElement.lang]);
    if (row.shownKey !== key) {
      row.shownKey = key;
      place.replaceChildren(...placeNode(alert, this.places));
      marks.replaceChildren(...markNodes(alert));
    }
    setText(state, stateLine(alert));
    setText(seen, t('action.seen'));
    show(seen, isUnseen(alert));
  }

  // Once a second: only the texts that have changed are touched, and only in rows that exist.
  tick() {
    for (const row of this.list.children) {
      const { alert, parts } = row;
      setText(parts.age, lapse(secondsSince(alert.received_at)));
      const left = alert.next_step_at ? secondsUntil(alert.next_step_at) : null;
      setText(parts.next, left === null ? '' : left > 0 ? t('queue.next_in', { time: lapse(left) }) : t('queue.next_now'));
    }
  }

  // Moves the keyboard's place in the queue by one row.
  step(by) {
    const rows = [...this.list.children];
    const at = rows.findIndex((row) => row.dataset.id === this.store.selected);
    const row = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
    if (!row) return;
    this.onOpen(row.dataset.id);
    row.openButton.focus();
    row.scrollIntoView({ block: 'nearest' });
  }
}

export function markNodes(alert) {
  const marks = [];
  if (alert.duress) marks.push(['duress', 'loud']);
  if (alert.contact_mode === 'cannot_talk') marks.push(['cannot_talk', '']);
  if (alert.cancel === 'requested') marks.push(['cancel_requested', 'strong']);
  if (alert.exercise) marks.push(['exercise', '']);
  return marks.map(([name, tone]) => el('span', { class: `mark ${tone}` }, t(`mark.${name}`)));
}

export function stateLine(alert) {
  if (alert.needs_human) return t('queue.needs_human', { why: word('needs_human', alert.needs_human_reason) });
  const leading = (alert.assignments ?? []).find((one) => ['on_scene', 'en_route', 'accepted'].includes(one.state));
  if (leading) return t('queue.team', { team: leading.call_sign, state: word('assignment_state', leading.state) });
  const offered = (alert.assignments ?? []).filter((one) => one.state === 'offered').map((one) => one.call_sign);
  if (offered.length) return t('queue.offered', { teams: offered.join(', ') });
  return word('alert_state', alert.state);
}
