// The case pane: one alert in full. Each part is drawn again only when it has changed, so typing is never lost.

import { placeNode, title } from '../alert_words.js';
import { secondsSince, secondsUntil } from '../clock.js';
import { byId, el, refresh, setText, show } from '../dom.js';
import { lapse, t, timeOfDay, word } from '../words.js';
import { AssignList } from './assign_list.js';
import { closeForm, disclosure, handOverForm, messageForm, priorityForm, reopenForm } from './case_forms.js';
import { deliveriesOf, isTravelling, journeysOf } from './case_deliveries.js';
import { assignmentsOf, factsOf } from './case_facts.js';
import { messagesOf, timelineOf } from './case_log.js';
import { markNodes } from './queue.js';
import { isDanger, isOpen, isUnseen, urgency } from './ranking.js';

const READ_AGAIN_MS = 3000;

export class Case {
  constructor({ api, store, places, actions, onOpen }) {
    Object.assign(this, { api, store, places, actions, onOpen });
    this.root = byId('case-body');
    this.detail = null;
    store.onChange((change) => this.changed(change));
  }

  get alert() {
    return this.store.alerts.get(this.store.selected) ?? this.detail?.alert ?? null;
  }

  changed({ kind, id, alert_id: alertId }) {
    if (kind === 'selected') this.open(id);
    else if (kind === 'all') this.reload();
    else if (kind === 'alert' && id === this.store.selected) this.reload();
    else if (kind === 'message' && (alertId === this.store.selected || !alertId)) this.reload();
    else if (kind === 'team' || kind === 'alert') this.draw();
  }

  open(id) {
    this.detail = null;
    this.readAt = performance.now();
    show(byId('case-empty'), !id);
    show(this.root, Boolean(id));
    this.build();
    this.draw();
    if (id) void this.read();
  }

  reload() {
    this.draw();
    if (this.store.selected) this.readSoon();
  }

  readSoon() {
    clearTimeout(this.reading);
    this.reading = setTimeout(() => void this.read(), 150);
    this.readAt = performance.now();
  }

  async read() {
    const id = this.store.selected;
    try {
      const detail = await this.api.get(`/v1/control/alerts/${id}`);
      if (id !== this.store.selected) return;
      this.detail = detail;
      this.readAt = performance.now();
      // Telling everybody about what is known already would make this page ask again without end.
      if (this.store.alerts.get(id)?.version !== detail.alert.version) this.store.put(detail.alert);
      this.draw();
    } catch (problem) {
      this.actions.notice(problem.detail);
    }
  }

  // The skeleton of a case, and its forms, which stay while the case is open.
  build() {
    const part = (name) => el('div', { class: `case-${name}` });
    this.parts = Object.fromEntries(['head', 'call', 'buttons', 'cancel', 'similar', 'facts', 'teams', 'deliveries', 'messages', 'log'].map((name) => [name, part(name)]));
    const act = (action, body, options) => this.actions.run(this.alert.id, action, body, options);
    const { head, call, buttons, cancel, similar, facts, teams, deliveries, messages, log } = this.parts;
    this.assigning = new AssignList({ store: this.store, places: this.places, onAssign: (teamId) => this.actions.assign(this.alert.id, teamId) });
    this.forms = el('div', {},
      disclosure('close', 'C', closeForm({ act, version: () => this.alert.version })),
      disclosure('more', '', priorityForm({ act, priority: this.alert?.priority ?? 3 }), handOverForm({ act })));
    this.reopen = disclosure('reopen', '', reopenForm({ act }));
    this.root.replaceChildren(head, call, buttons, cancel, similar,
      section('case.facts', facts), section('case.teams', teams, this.assignPanel = disclosure('assign', 'A', this.assigning.node)),
      section('delivery.title', deliveries), section('case.messages', messages, messageForm({ act })), this.forms, this.reopen, section('case.log', log));
  }

  draw() {
    const alert = this.alert;
    if (!alert || !this.parts) return;
    // Names of stops arrive after the first alerts: what shows them is drawn again then.
    const language = [document.documentElement.lang, this.places.stops.size];
    const { parts } = this;
    refresh(parts.head, [language, alert.priority, alert.category, alert.state, alert.place, alert.position, alert.duress, alert.cancel, urgency(alert)], () => this.headOf(alert));
    refresh(parts.call, [language, alert.needs_human, alert.needs_human_reason], () => callOf(alert));
    refresh(parts.buttons, [language, isUnseen(alert), alert.acknowledged_at, isOpen(alert)], () => this.buttonsOf(alert));
    refresh(parts.cancel, [language, alert.cancel], () => this.cancelOf(alert));
    refresh(parts.similar, [language, alert.similar, alert.merged_into], () => this.similarOf(alert));
    refresh(parts.facts, [language, { ...alert, assignments: null, version: 0, next_step_at: null, round_no: 0 }], () => factsOf(alert, this.places));
    refresh(parts.teams, [language, alert.assignments, alert.shortfall], () => assignmentsOf(alert, { onWithdraw: (one) => this.actions.run(alert.id, 'withdraw', { assignment_id: one.id }, { done: 'said.withdrawn' }) }));
    this.assigning.draw(alert);
    this.drawDeliveries(alert);
    refresh(parts.messages, [language, this.detail?.messages], () => messagesOf(this.detail?.messages ?? []));
    refresh(parts.log, [language, this.detail?.timeline], () => timelineOf(this.detail?.timeline ?? []));
    show(this.forms, isOpen(alert));
    show(this.assignPanel, isOpen(alert));
    show(this.reopen, !isOpen(alert) && alert.state !== 'merged');
    this.tick();
  }

  headOf(alert) {
    this.ageNode = el('span', { class: 'case-age' });
    return [
      el('p', { class: `case-line ${urgency(alert)}` },
        el('span', { class: `priority priority-${alert.priority}` }, t('priority.short', { n: alert.priority })),
        el('span', {}, word('priority', String(alert.priority))), el('span', { class: 'tag' }, word('alert_state', alert.state)), this.ageNode),
      el('h2', { id: 'case-title', tabindex: '-1' }, title(alert), ' ', markNodes(alert)),
      el('p', { class: 'case-place' }, placeNode(alert, this.places)),
    ];
  }

  buttonsOf(alert) {
    if (!isOpen(alert)) return [];
    const button = (name, key, run, strong = false) => el('button', { type: 'button', class: strong ? 'strong' : '', data: { focus: name }, on: { click: run } }, t(`action.${name}`), ' ', el('kbd', {}, key));
    return [
      isUnseen(alert) ? button('seen', 'S', () => this.actions.seen(alert.id), true) : null,
      alert.acknowledged_at ? null : button('acknowledge', 'K', () => this.actions.acknowledge(alert.id), !isUnseen(alert)),
      button('assign', 'A', () => this.openPanel('assign')),
      button('close', 'C', () => this.openPanel('close')),
    ].filter(Boolean);
  }

  cancelOf(alert) {
    if (alert.cancel !== 'requested') return [];
    const answer = (action) => () => this.actions.run(alert.id, action, {}, { done: `said.${action.replace('-', '_')}` });
    return el('div', { class: 'question', role: 'group', 'aria-label': t('case.cancel') }, el('p', {}, t('case.cancel')),
      el('button', { type: 'button', data: { focus: 'refuse' }, on: { click: answer('refuse-cancel') } }, t('action.refuse_cancel')),
      el('button', { type: 'button', data: { focus: 'confirm' }, on: { click: answer('confirm-cancel') } }, t('action.confirm_cancel')));
  }

  similarOf(alert) {
    const known = (alert.similar ?? []).map((id) => this.store.alerts.get(id)).filter((one) => one && isOpen(one));
    if (!known.length || !isOpen(alert)) return [];
    return el('div', { class: 'question', role: 'group', 'aria-label': t('case.similar') }, el('p', {}, t('case.similar')),
      el('ul', { class: 'plain' }, known.map((one) => el('li', {},
        el('button', { type: 'button', class: 'small', on: { click: () => this.onOpen(one.id) } }, t('action.look_at', { title: title(one), time: timeOfDay(one.received_at) })),
        el('button', { type: 'button', class: 'small', on: { click: () => this.actions.run(alert.id, 'merge', { into: one.id }, { version: alert.version, done: 'said.merged' }) } }, t('action.merge'))))));
  }

  openPanel(name) {
    const panel = this.root.querySelector(`[data-panel="${name}"]`);
    if (!panel || panel.closest('[hidden]')) return;
    panel.open = true;
    panel.scrollIntoView({ block: 'nearest' });
    panel.querySelector('button:not([disabled]), select, input, textarea')?.focus();
  }

  tick() {
    const alert = this.alert;
    if (!alert || !this.ageNode) return;
    const left = alert.next_step_at && isOpen(alert) ? secondsUntil(alert.next_step_at) : null;
    const next = left === null ? '' : ` · ${left > 0 ? t('queue.next_in', { time: lapse(left) }) : t('queue.next_now')}`;
    setText(this.ageNode, `${lapse(secondsSince(alert.received_at))}${next}`);
    this.assigning.draw(alert);
    byId('case').dataset.danger = String(isDanger(alert));
    this.drawDeliveries(alert);
    const { deliveries } = this.detail ?? {};
    // What a push service does is nobody's news: it is asked for while messages are on their way.
    if (deliveries && isOpen(alert) && isTravelling(deliveries) && performance.now() - this.readAt > READ_AGAIN_MS) this.readSoon();
  }

  drawDeliveries(alert) {
    const journeys = journeysOf(this.detail?.deliveries ?? [], alert.assignments);
    refresh(this.parts.deliveries, [document.documentElement.lang, journeys], () => deliveriesOf(journeys));
  }
}

function section(heading, ...content) {
  return el('section', { class: 'case-section' }, el('h3', {}, t(heading)), content);
}

function callOf(alert) {
  if (!alert.needs_human) return [];
  return el('div', { class: 'call' }, el('strong', {}, t('case.needs_human')), ' ', word('needs_human', alert.needs_human_reason));
}
