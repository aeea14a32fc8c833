// The one night-stop request of this phone, and everything about it that still has to reach the server.

import { uuid7 } from '../../ids.js';
import { forget, read, write } from '../../storage.js';
import { api, dropToken, ensureDevice } from '../device.js';
import { KEY } from './start.js';

const OVER = new Set(['rejected', 'refused', 'missed', 'cancelled', 'expired', 'withdrawn']);
const LONGEST_DELAY_MS = 6000;

export function isOver(stop) {
  if (!stop) return false;
  return OVER.has(stop.state) || (stop.state === 'alighted' && !stop.home_due_at);
}

export class Request {
  constructor({ onChange, onRefused }) {
    Object.assign(this, { onChange, onRefused });
    this.record = read(KEY);
    this.delay = 800;
    window.addEventListener('online', () => this.soon());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.soon(); });
  }

  ask(body, said) {
    this.record = { id: uuid7(), body, said, asked_at: Date.now(), sent: false, stop: null, waiting: [] };
    this.keep();
    this.soon();
  }

  add(action, body = {}) {
    if (!this.record.sent && action === 'cancel' && !this.record.attempted) {
      this.clear();
      return;
    }
    this.record.waiting.push({ action, body });
    this.keep();
    this.soon();
  }

  apply(stop) {
    if (!this.record || stop.id !== this.record.id) return;
    if (this.record.stop && this.record.stop.version > stop.version) return;
    this.record.stop = stop;
    this.record.sent = true;
    this.keep();
  }

  clear() {
    this.record = null;
    forget(KEY);
    this.onChange();
  }

  keep() {
    write(KEY, this.record);
    this.onChange();
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
      this.delay = 800;
    } catch {
      this.soon(this.delay * (0.6 + Math.random() * 0.8));
      this.delay = Math.min(this.delay * 1.7, LONGEST_DELAY_MS);
    } finally {
      this.running = false;
    }
  }

  // Asked again with the same id for as long as it takes. How long it waited is said, so that the server checks anew:
  // a place that the bus passed meanwhile is told as such.
  async put(record) {
    try {
      await ensureDevice();
      record.attempted = true;
      write(KEY, record);
      const stop = await api.put(`/v1/night-stops/${record.id}`, { ...record.body, queued_ms: Date.now() - record.asked_at });
      Object.assign(record, { sent: true, stop });
    } catch (problem) {
      if (problem.status === 401) dropToken();
      else if (problem.code === 'key_reused') record.id = uuid7();
      else if (problem.status >= 400 && problem.status < 500 && problem.status !== 429 && this.record === record) {
        const { night_stop: stop, place, instead } = problem.body;
        this.record = { ...record, sent: true, waiting: [], problem: { code: problem.code, detail: problem.detail, instead: instead ?? [] },
          stop: stop ?? { id: record.id, state: 'rejected', reject_code: problem.code, version: 1, place, facts: [] } };
        this.keep();
        return;
      }
      this.onChange();
      throw problem;
    }
    if (this.record === record) this.keep();
  }

  async sendOne(record) {
    const operation = record.waiting[0];
    try {
      const stop = await api.post(`/v1/night-stops/${record.id}/${operation.action}`, operation.body);
      record.waiting = record.waiting.filter((one) => one !== operation);
      if (this.record === record) {
        this.apply(stop.night_stop ?? stop);
        this.keep();
      }
    } catch (problem) {
      if (problem.isNetwork || problem.status >= 500 || problem.status === 429) throw problem;
      record.waiting = record.waiting.filter((one) => one !== operation);
      this.keep();
      this.onRefused(problem);
    }
  }
}
