// What became of night stops: about places and hours, never about riders or drivers.

import { byId, el, refresh } from '../../dom.js';
import { currentLanguage, t, word, wordIn } from '../../words.js';
import { barPlot, hourPlot, sharePlot, table } from './plots.js';

const DAY_MS = 86400000;

export class Figures {
  constructor({ api, names, onNotice }) {
    Object.assign(this, { api, names, onNotice });
    byId('span-from').value = day(Date.now() - 30 * DAY_MS);
    byId('span-to').value = day(Date.now());
    byId('span').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.read();
    });
  }

  async read() {
    const from = new Date(`${byId('span-from').value}T00:00:00`);
    // The last day counts whole; one that has not ended counts until now.
    const to = new Date(Math.min(Date.parse(`${byId('span-to').value}T00:00:00`) + DAY_MS, Date.now()));
    if (Number.isNaN(from.getTime()) || Number.isNaN(to.getTime())) return;
    try {
      this.figures = await this.api.get(`/v1/control/night-stops/figures?from=${from.toISOString()}&to=${to.toISOString()}`);
      this.onNotice(null);
    } catch (problem) {
      this.onNotice(problem.detail);
    }
    this.draw();
  }

  draw() {
    const { figures } = this;
    if (!figures) return;
    refresh(byId('figures'), [document.documentElement.lang, figures], () => [this.totals(figures), this.codes(figures), this.places(figures), this.hours(figures), el('p', { class: 'quiet' }, t('figures.hidden'))]);
  }

  totals(figures) {
    const share = figures.accepted_share;
    return box('figures.totals',
      el('dl', { class: 'numbers-row' }, [
        [t('figures.requests'), count(figures.requests)],
        [t('figures.asked'), count(figures.asked)],
        [t('figures.accepted'), count(figures.accepted)],
        [t('figures.accepted_share'), share === null || share === undefined ? t('figures.few') : percent(share)],
        [t('figures.walking'), figures.metres_of_walking_avoided === null ? t('figures.few') : metres(figures.metres_of_walking_avoided)],
      ].map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))),
      share === null || share === undefined ? null : sharePlot(share));
  }

  codes({ by_code: codes }) {
    const items = codes.map((one) => ({ label: wordIn(one.code, 'night_code', 'night_state'), count: one.count })).sort((a, b) => (b.count ?? 0) - (a.count ?? 0));
    return pair('figures.by_code', items.length ? barPlot(items, t('figures.by_code')) : nothing(),
      table(t('figures.by_code'), [t('figures.ending'), t('figures.count')], items.map((one) => [one.label, count(one.count)])));
  }

  places({ by_refusal_and_place: places }) {
    const items = places.map((one) => ({ ...one, line: this.names.get(one.line_id) ?? one.line_id }));
    return pair('figures.by_place',
      items.length ? barPlot(items.map((one) => ({ label: `${one.line} · ${t('figures.after', { stop: one.after_stop ?? '?' })} · ${word('refusal', one.reason)}`, count: one.count })), t('figures.by_place')) : nothing(),
      table(t('figures.by_place'), [t('figures.line'), t('figures.place'), t('figures.reason'), t('figures.count')],
        items.map((one) => [one.line, t('figures.after', { stop: one.after_stop ?? '?' }), word('refusal', one.reason), count(one.count)])));
  }

  hours({ by_hour: hours }) {
    return pair('figures.hours', hourPlot(hours),
      table(t('figures.hours'), [t('figures.hour'), t('figures.count')], hours.map((value, hour) => [`${hour} h`, count(value)]).filter((_, hour) => hours[hour] !== 0)));
  }
}

function box(heading, ...content) {
  return el('section', { class: 'box' }, el('h2', {}, t(heading)), content);
}

function pair(heading, plot, numbers) {
  return box(heading, el('div', { class: 'pair' }, el('div', {}, plot), el('div', { class: 'table-box', tabindex: '0' }, numbers)));
}

function nothing() {
  return el('p', { class: 'quiet' }, t('figures.none'));
}

function count(value) {
  return value === null || value === undefined ? t('figures.few') : String(value);
}

function percent(share) {
  return new Intl.NumberFormat(currentLanguage(), { style: 'percent', maximumFractionDigits: 1 }).format(share);
}

function metres(value) {
  return `${new Intl.NumberFormat(currentLanguage()).format(value)} m`;
}

function day(at) {
  return new Date(at).toLocaleDateString('sv-SE');
}
