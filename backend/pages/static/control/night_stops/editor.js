// The editor of one policy: every value in a typed field, and the same drawn on a picture of the line.

import { byId, announce, el, show } from '../../dom.js';
import { LineMap } from '../../line_map.js';
import { LineWay } from '../../line_way.js';
import { t } from '../../words.js';
import { Exclusions } from './exclusions.js';

const LIMITS = { off_route_m: [10, 200, 50], min_seconds: [0, 600, 45], min_metres: [0, 2000, 200], near_stop_m: [0, 500, 60], join_m: [0, 500, 100], max_extra_stops: [1, 50, 6] };

export class Editor {
  constructor({ api, buses, onSaved }) {
    Object.assign(this, { api, buses, onSaved });
  }

  async open(policy) {
    this.policy = policy;
    this.build();
    show(byId('editor'), true);
    byId('editor-title').focus();
    byId('editor').scrollIntoView({ block: 'start' });
    await this.readLine();
  }

  // A change of language rebuilds the labels; what was typed stays.
  redraw() {
    if (byId('editor').hidden) return;
    const typed = this.body();
    this.policy = { ...this.policy, ...typed };
    this.build();
    void this.readLine();
  }

  build() {
    const policy = this.policy ?? {};
    byId('editor-title').textContent = policy.id ? t('policies.edit_title', { version: policy.version }) : t('policies.new');
    const text = (name, type, value, more = {}) => el('input', { id: `policy-${name}`, type, value: value ?? '', autocomplete: 'off', ...more });
    const field = (name, input) => el('p', { class: 'field' }, el('label', { for: input.id }, t(`policy.${name}`)), input);
    this.inputs = {
      line_id: el('select', { id: 'policy-line_id', disabled: Boolean(policy.id) }, el('option', { value: '' }, t('form.choose')), this.buses.map((one) => el('option', { value: one.id, selected: one.id === policy.line_id }, `${one.short_name} ${one.long_name}`))),
      direction_id: el('select', { id: 'policy-direction_id' }),
      from_stop_id: el('select', { id: 'policy-from_stop_id' }),
      to_stop_id: el('select', { id: 'policy-to_stop_id' }),
      starts: text('starts', 'time', policy.starts ?? '22:00'),
      ends: text('ends', 'time', policy.ends ?? '05:00'),
      valid_from: text('valid_from', 'date', policy.valid_from ?? new Date().toLocaleDateString('sv-SE')),
      valid_until: text('valid_until', 'date', policy.valid_until),
    };
    this.inputs.line_id.addEventListener('change', () => void this.readLine());
    this.inputs.direction_id.addEventListener('change', () => this.showWay());
    for (const name of ['from_stop_id', 'to_stop_id']) this.inputs[name].addEventListener('change', () => this.drawMap());
    this.days = [1, 2, 3, 4, 5, 6, 7].map((day) => {
      const box = el('input', { type: 'checkbox', value: day });
      box.checked = (policy.weekdays ?? [1, 2, 3, 4, 5, 6, 7]).includes(day);
      return box;
    });
    this.limits = Object.fromEntries(Object.entries(LIMITS).map(([name, [min, max, usual]]) => [name, text(name, 'number', policy[name] ?? usual, { min, max, step: 1 })]));
    this.message = el('p', { class: 'form-message', role: 'alert' });
    this.save = el('button', { type: 'submit', class: 'strong' }, t('policies.save'));
    const mapBox = el('div', { class: 'policy-map' });
    const exclusionBox = el('div');
    const { line_id: line, direction_id: direction, from_stop_id: from, to_stop_id: to, starts, ends, valid_from: first, valid_until: last } = this.inputs;
    byId('editor-body').replaceChildren(el('form', { class: 'policy-form', novalidate: true, on: { submit: (event) => { event.preventDefault(); void this.send(); } } },
      el('div', { class: 'policy-fields' },
        el('div', { class: 'grid' }, field('line', line), field('direction', direction), field('from_stop', from), field('to_stop', to)),
        el('div', { class: 'grid' }, field('starts', starts), field('ends', ends), field('valid_from', first), field('valid_until', last)),
        el('fieldset', {}, el('legend', {}, t('policy.weekdays')), el('div', { class: 'days' }, this.days.map((box, at) => el('label', { class: 'check' }, box, t(`weekday.${at + 1}`))))),
        el('details', { class: 'panel' }, el('summary', {}, t('policy.limits')), el('div', { class: 'grid' }, Object.entries(this.limits).map(([name, input]) => field(name, input)))),
        exclusionBox),
      el('div', { class: 'policy-picture' }, mapBox, el('p', { class: 'quiet' }, t('policy.map_said'))),
      el('div', { class: 'side' }, this.save, el('button', { type: 'button', on: { click: () => show(byId('editor'), false) } }, t('policies.cancel')), this.message)));
    this.map = new LineMap({ container: mapBox, labelled: t('policy.map'), onPick: (point) => this.exclusions.pick(point) });
    this.exclusions = new Exclusions({ root: exclusionBox, items: policy.exclusions ?? [], onChange: () => this.drawMap() });
  }

  async readLine() {
    const { line_id: line, direction_id: direction, from_stop_id: from, to_stop_id: to } = this.inputs;
    this.ways = [];
    if (line.value) {
      try {
        const { directions } = await this.api.get(`/v1/network/lines/${encodeURIComponent(line.value)}`);
        this.ways = directions.map((one) => new LineWay(one));
      } catch (problem) {
        this.message.textContent = problem.detail;
      }
    }
    const wanted = this.policy?.direction_id;
    direction.replaceChildren(el('option', { value: '' }, t('policy.both')), ...this.ways.map((way) => el('option', { value: way.direction_id, selected: way.direction_id === wanted }, t('night.towards', { name: way.headsign ?? way.stops.at(-1)?.name ?? '' }))));
    for (const [select, chosen, empty] of [[from, this.policy?.from_stop_id, 'policy.from_start'], [to, this.policy?.to_stop_id, 'policy.to_end']]) {
      const stops = new Map(this.ways.flatMap((way) => way.stops).map((stop) => [stop.stop_id, stop]));
      const named = new Set(this.ways[0]?.stops.map((stop) => stop.stop_id) ?? []);
      if (chosen) named.add(chosen);
      select.replaceChildren(el('option', { value: '' }, t(empty)), ...[...named].filter((id) => stops.has(id)).map((id) => el('option', { value: id, selected: id === chosen }, stops.get(id).name)));
    }
    this.showWay();
  }

  showWay() {
    const { value } = this.inputs.direction_id;
    this.way = this.ways.find((one) => String(one.direction_id) === value) ?? this.ways[0] ?? null;
    this.exclusions.setWay(this.way);
    if (this.way) this.map.setWay(this.way);
    this.drawMap();
  }

  drawMap() {
    if (!this.way) return;
    const at = (id) => this.way.stops.find((stop) => stop.stop_id === id)?.measure_m;
    const [from, to] = [at(this.inputs.from_stop_id.value) ?? 0, at(this.inputs.to_stop_id.value) ?? this.way.length_m];
    const part = from < to ? [{ kind: 'path', points: this.way.between(from, to), name: 'chosen' }] : [];
    this.map.show([...part, ...this.exclusions.layers()]);
  }

  body() {
    const value = (name) => this.inputs[name].value || null;
    return {
      line_id: value('line_id'), direction_id: this.inputs.direction_id.value === '' ? null : Number(this.inputs.direction_id.value),
      from_stop_id: value('from_stop_id'), to_stop_id: value('to_stop_id'), starts: value('starts'), ends: value('ends'),
      weekdays: this.days.filter((box) => box.checked).map((box) => Number(box.value)),
      valid_from: value('valid_from'), valid_until: value('valid_until'),
      ...Object.fromEntries(Object.entries(this.limits).map(([name, input]) => [name, Number(input.value)])),
      exclusions: this.exclusions.body(),
    };
  }

  async send() {
    const body = this.body();
    for (const input of [...Object.values(this.inputs), ...Object.values(this.limits)]) input.removeAttribute('aria-invalid');
    const missing = ['line_id', 'starts', 'ends', 'valid_from'].find((name) => !body[name]);
    if (missing || body.weekdays.length === 0) {
      this.refuse(missing, t('policy.missing'));
      return;
    }
    this.save.disabled = true;
    try {
      if (this.policy?.id) await this.api.put(`/v1/control/night-stop-policies/${this.policy.id}`, body);
      else await this.api.post('/v1/control/night-stop-policies', body);
      show(byId('editor'), false);
      announce(t('policies.saved'));
      this.onSaved();
      byId('policy-new').focus();
    } catch (problem) {
      const { field = '', hint = '' } = problem.body ?? {};
      const [, name, row] = (field ?? '').split('/');
      if (name === 'exclusions') this.exclusions.mark(Number(row));
      this.refuse(name, [problem.detail, hint].filter(Boolean).join(' '));
    } finally {
      this.save.disabled = false;
    }
  }

  refuse(name, text) {
    this.message.textContent = text;
    const input = this.inputs[name] ?? this.limits[name];
    if (!input) return;
    input.setAttribute('aria-invalid', 'true');
    input.closest('details')?.setAttribute('open', '');
    input.focus();
  }
}
