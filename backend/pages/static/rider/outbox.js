// The one alert of this phone and everything about it that still has to reach the server.
// All of it is kept in the phone's storage, so closing the page loses nothing.

import { uuid7 } from '../ids.js';
import { forget, read, write } from '../storage.js';
import { api, dropToken, ensureDevice } from './device.js';

const KEY = 'vigie.rider.alert';
const FIRST_DELAY_MS = 800;
const LONGEST_DELAY_MS = 8000;
const PATHS = { details: 'details', message: 'messages', cancel: 'cancel', promote: 'promote', positions: 'positions' };

export class Outbox {
  // `onChange(record)` after every change; `onRefused(operation, problem)` when the server will never take one.
  constructor({ onChange, onRefused }) {
    Object.assign(this, { onChange, onRefused });
    this.record = read(KEY);
    for (const operation of this.record?.waiting ?? []) operation.sending = false;
    this.delay = FIRST_DELAY_MS;
    window.addEventListener('online', () => this.soon());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.soon(); });
  }

  // The body is written once and sent byte for byte the same for ever: a changed retry would be another alert.
  raise(body) {
    this.record = { id: uuid7(), body, raised_at: new Date().toISOString(), attempts: 0, sent: false, alert: null, waiting: [], messages: [], chosen: {}, point_seq: 0 };
    this.keep();
    this.soon();
  }

  // An alert that the server raised for this phone, as when nobody answered whether she got home.
  adopt(alert) {
    this.record = { id: alert.id, body: {}, raised_at: alert.received_at, attempts: 1, sent: true, alert, waiting: [], messages: [], chosen: {}, point_seq: 0 };
    this.keep();
  }

  add(kind, body = {}) {
    const { waiting } = this.record;
    const last = waiting.at(-1);
    if (kind === 'details' && last?.kind === 'details' && !last.sending) Object.assign(last.body, body);
    else waiting.push({ kind, body, key: uuid7() });
    this.keep();
    this.soon();
  }

  addPoint(point) {
    if (!this.record) return;
    const held = this.record.waiting.find((one) => one.kind === 'positions' && !one.sending);
    const numbered = { ...point, point_seq: (this.record.point_seq += 1) };
    if (held) held.body.points = [...held.body.points, numbered].slice(-50);
    else this.record.waiting.push({ kind: 'positions', body: { points: [numbered] }, key: uuid7() });
    this.keep();
    this.soon();
  }

  // Before the first attempt nothing can have reached the server, so the alert may simply be dropped.
  cancel(pin) {
    if (!this.record.sent && this.record.attempts === 0) this.clear();
    else this.add('cancel', pin ? { pin } : {});
  }

  apply(alert) {
    if (alert.id !== this.record?.id) return;
    if (this.record.alert && this.record.alert.version > alert.version) return;
    this.record.alert = alert;
    this.keep();
  }

  applyMessages(messages) {
    const known = new Map(this.record.messages.map((one) => [one.id, one]));
    for (const message of messages) known.set(message.id, message);
    this.record.messages = [...known.values()].sort((a, b) => (a.sent_at < b.sent_at ? -1 : 1));
    this.keep();
  }

  clear() {
    this.record = null;
    forget(KEY);
    this.onChange(null);
  }

  keep() {
    write(KEY, this.record);
    this.onChange(this.record);
  }

  soon(delay = 0) {
    if (!this.record) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.run(), delay);
  }

  async run() {
    if (this.running || !this.record) return;
    this.running = true;
    const { record } = this;
    try {
      if (!record.sent) await this.put(record);
      while (this.record === record && record.waiting.length) await this.sendOne(record);
      this.delay = FIRST_DELAY_MS;
    } catch {
      // Every phone of a train retries after the same tunnel: jitter keeps them from arriving at once.
      this.soon(this.delay * (0.6 + Math.random() * 0.8));
      this.delay = Math.min(this.delay * 1.7, LONGEST_DELAY_MS);
    } finally {
      this.running = false;
    }
    if (this.record && this.record !== record) this.soon();
  }

  async put(record) {
    try {
      await ensureDevice();
      record.attempts += 1;
      write(KEY, this.record);
      const receipt = await api.put(`/v1/alerts/${record.id}`, record.body);
      Object.assign(record, { sent: true, alert: receipt, placed: Boolean(record.body.position) });
    } catch (problem) {
      // An identity that the server has forgotten must not stop a cry for help: take a new one and go on.
      if (problem.status === 401) dropToken();
      if (problem.status === 404 || problem.code === 'key_reused') record.id = uuid7();
      this.onChange(record);
      throw problem;
    }
    if (this.record === record) this.keep();
  }

  async sendOne(record) {
    const operation = record.waiting[0];
    operation.sending = true;
    try {
      const answer = await api.post(`/v1/alerts/${record.id}/${PATHS[operation.kind]}`, operation.body);
      record.waiting = record.waiting.filter((one) => one !== operation);
      if (this.record !== record) return;
      if (operation.kind === 'positions' && answer.accepted > 0) record.placed = true;
      if (operation.kind === 'message') this.applyMessages([answer]);
      else if (operation.kind !== 'positions') this.apply(answer.alert ?? answer);
      this.keep();
    } catch (problem) {
      operation.sending = false;
      // A PIN that came too early is asked for again: waiting for it would hold up positions and messages.
      if (problem.isNetwork || problem.status >= 500 || (problem.status === 429 && problem.code !== 'pin_delayed')) throw problem;
      record.waiting = record.waiting.filter((one) => one !== operation);
      this.keep();
      this.onRefused(operation, problem);
    }
  }
}
