// The policies in force, one row each, with every version that there has been.

import { byId, el, refresh, show } from '../../dom.js';
import { t } from '../../words.js';

export class Policies {
  constructor({ api, names, onEdit, onNotice }) {
    Object.assign(this, { api, names, onEdit, onNotice });
    this.items = [];
    this.histories = new Map();
  }

  async read() {
    try {
      this.items = (await this.api.get('/v1/control/night-stop-policies')).items;
      this.histories.clear();
      this.onNotice(null);
    } catch (problem) {
      this.onNotice(problem.detail);
    }
    this.draw();
  }

  draw() {
    show(byId('policies-empty'), this.items.length === 0);
    refresh(byId('policy-list'), [document.documentElement.lang, this.items, [...this.histories]], () => this.items.map((one) => this.row(one)));
  }

  row(policy) {
    const history = this.histories.get(policy.id);
    const button = (name, run) => el('button', { type: 'button', class: 'small', data: { focus: `${name}-${policy.id}` }, on: { click: run } }, t(`policies.${name}`));
    return el('li', { class: 'policy', data: { id: policy.id } },
      el('p', { class: 'policy-line' }, el('strong', {}, t('place.line', { name: this.names.get(policy.line_id) ?? policy.line_id })), ' · ', windowWords(policy), ' · ', validityWords(policy)),
      el('p', { class: 'quiet' }, t('policies.summary', { version: policy.version, n: policy.exclusions.length })),
      el('div', { class: 'side' }, button('edit', () => this.onEdit(policy)), button('history', () => void this.readHistory(policy)), button('end', () => void this.end(policy))),
      history ? el('ol', { class: 'versions' }, history.map((one) => el('li', {}, t('policies.version', {
        version: one.version, when: new Date(one.created_at).toLocaleString(document.documentElement.lang === 'fr' ? 'fr-FR' : 'en-GB'), window: windowWords(one), validity: validityWords(one), n: one.exclusions.length,
      })))) : null);
  }

  async readHistory(policy) {
    if (this.histories.delete(policy.id)) {
      this.draw();
      return;
    }
    try {
      this.histories.set(policy.id, (await this.api.get(`/v1/control/night-stop-policies/${policy.id}/versions`)).items);
    } catch (problem) {
      this.onNotice(problem.detail);
    }
    this.draw();
  }

  async end(policy) {
    // Asked twice: a policy that has ended is a night without night stops.
    const button = document.activeElement;
    if (button?.dataset.sure !== 'true') {
      if (button) {
        button.dataset.sure = 'true';
        button.textContent = t('policies.end_sure');
      }
      return;
    }
    try {
      await this.api.post(`/v1/control/night-stop-policies/${policy.id}/end`);
      await this.read();
    } catch (problem) {
      this.onNotice(problem.detail);
    }
  }
}

export function windowWords({ starts, ends, weekdays }) {
  const days = weekdays.length === 7 ? t('policies.every_night') : weekdays.map((day) => t(`weekday.${day}`)).join(' ');
  return `${starts}–${ends} ${days}`;
}

function validityWords({ valid_from: from, valid_until: until }) {
  return until ? t('policies.valid_between', { from, until }) : t('policies.valid_from', { from });
}
