// Snow, ice, fog or works: night stops suspended on one line or everywhere, and resumed.

import { byId, el, refresh } from '../../dom.js';
import { t, word } from '../../words.js';
import { suspensionWords } from '../night_lane.js';

const REASONS = ['weather', 'works', 'other'];
const HOURS = [1, 2, 4, 8, 24];

export class Suspensions {
  constructor({ api, buses, names, onNotice }) {
    Object.assign(this, { api, buses, names, onNotice });
    this.items = [];
  }

  async read() {
    try {
      this.items = (await this.api.get('/v1/control/night-stops?state=open&limit=1')).suspensions ?? [];
    } catch (problem) {
      this.onNotice(problem.detail);
    }
    this.draw();
  }

  draw() {
    const places = { lineName: (id) => this.names.get(id) ?? null };
    const language = document.documentElement.lang;
    refresh(byId('suspensions'), [language, this.items], () => (this.items.length ? el('ul', { class: 'plain' }, this.items.map((one) => el('li', { class: 'side suspended' },
      el('span', {}, suspensionWords(one, places)),
      el('button', { type: 'button', data: { focus: `resume-${one.line_id}` }, on: { click: () => void this.send('resume', one.line_id ? { line_id: one.line_id } : {}) } }, t('suspend.resume')))))
      : el('p', { class: 'quiet' }, t('suspend.none'))));
    refresh(byId('suspend-form'), language, () => this.form());
  }

  form() {
    const select = (id, label, options) => {
      const input = el('select', { id }, options);
      return [input, el('p', { class: 'field' }, el('label', { for: id }, t(label)), input)];
    };
    const [reason, one] = select('suspend-reason', 'suspend.why', REASONS.map((code) => el('option', { value: code }, word('suspension', code))));
    const [line, two] = select('suspend-line', 'suspend.where', [el('option', { value: '' }, t('suspend.everywhere')), ...this.buses.map((bus) => el('option', { value: bus.id }, `${bus.short_name} ${bus.long_name}`))]);
    const [hours, three] = select('suspend-hours', 'suspend.how_long', [el('option', { value: '' }, t('suspend.open_end')), ...HOURS.map((n) => el('option', { value: n }, t('suspend.hours', { n })))]);
    return el('form', { class: 'side', novalidate: true, on: { submit: (event) => {
      event.preventDefault();
      const until = hours.value ? new Date(Date.now() + Number(hours.value) * 3600000).toISOString() : null;
      void this.send('suspend', { reason: reason.value, ...(line.value ? { line_id: line.value } : {}), ...(until ? { until } : {}) });
    } } }, one, two, three, el('button', { type: 'submit' }, t('suspend.begin')));
  }

  async send(action, body) {
    try {
      await this.api.post(`/v1/control/night-stops/${action}`, body);
      this.onNotice(null);
    } catch (problem) {
      this.onNotice(problem.detail);
    }
    await this.read();
  }
}
