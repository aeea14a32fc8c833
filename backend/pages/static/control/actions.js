// What an operator does to an alert: one request each, the answer shown at once, a refusal said in words.

import { announce, byId, setText, show } from '../dom.js';
import { t } from '../words.js';

export class Actions {
  constructor({ api, store }) {
    Object.assign(this, { api, store });
    this.running = new Set();
    byId('notice-close').addEventListener('click', () => show(byId('notice'), false));
  }

  // Resolves true when the server has stored it. The same action twice at once is one request.
  async run(alertId, action, body = {}, { version = null, done = null } = {}) {
    const key = `${alertId}/${action}`;
    if (this.running.has(key)) return false;
    this.running.add(key);
    try {
      const headers = version === null ? {} : { 'If-Match': `"${version}"` };
      const alert = await this.api.post(`/v1/control/alerts/${alertId}/${action}`, body, headers);
      this.store.put(alert.alert ?? alert);
      this.notice(null);
      if (done) announce(t(done));
      return true;
    } catch (problem) {
      this.notice(problem.code === 'version_conflict' ? t('problem.version_conflict') : problem.detail);
      return false;
    } finally {
      this.running.delete(key);
    }
  }

  seen(id) { return this.run(id, 'seen', {}, { done: 'said.seen' }); }

  acknowledge(id) { return this.run(id, 'acknowledge', {}, { done: 'said.acknowledged' }); }

  assign(id, teamId) { return this.run(id, 'assign', { team_id: teamId }, { done: 'said.assigned' }); }

  notice(text) {
    show(byId('notice'), Boolean(text));
    setText(byId('notice-text'), text ?? '');
  }
}
