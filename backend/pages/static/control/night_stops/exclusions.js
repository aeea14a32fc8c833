// Where a bus must not stop: pieces of the line, points, areas. Clicks on the picture fill the one that is being edited;
// typed fields do the same without a picture.

import { el, refresh } from '../../dom.js';
import { distance, t, word } from '../../words.js';

export const REASONS = ['tunnel', 'bridge', 'dual_carriageway', 'fast_road', 'centre_lane', 'roundabout', 'junction', 'tram_tracks',
  'works', 'cycle_lane', 'parking', 'no_stopping', 'crossing', 'other'];

export class Exclusions {
  constructor({ root, items, onChange }) {
    Object.assign(this, { root, onChange });
    this.items = structuredClone(items);
    this.active = -1;
    this.draw();
  }

  setWay(way) {
    this.way = way;
    this.draw();
  }

  add(kind) {
    const half = this.way ? Math.round(this.way.length_m / 2) : 0;
    const middle = this.way?.pointAt(half) ?? { latitude: 0, longitude: 0 };
    const item = { kind, reason: kind === 'segment' ? 'tunnel' : kind === 'point' ? 'crossing' : 'roundabout' };
    if (kind === 'segment') item.measures = [half, Math.min(half + 100, Math.round(this.way?.length_m ?? 100))];
    else if (kind === 'point') item.point = { latitude: round(middle.latitude), longitude: round(middle.longitude), radius_m: 30 };
    else item.corners = [];
    this.items.push(item);
    this.edit(this.items.length - 1);
    this.root.querySelector(`[data-row="${this.active}"] select`)?.focus();
  }

  edit(index) {
    this.active = index;
    this.clicks = 0;
    this.draw();
    this.onChange();
  }

  // A click on the picture: the beginning, then the end of a piece; the middle of a point; one more corner of an area.
  pick(point) {
    const item = this.items[this.active];
    if (!item || !this.way) return;
    if (item.kind === 'segment') {
      const { measure_m: measure } = this.way.locate(point);
      const at = Math.round(measure);
      if (this.clicks % 2 === 0) item.measures = [at, at];
      else item.measures = [item.measures[0], at].sort((a, b) => a - b);
      delete item.path;
    } else if (item.kind === 'point') {
      item.point = { ...item.point, latitude: round(point.latitude), longitude: round(point.longitude) };
    } else {
      item.corners = [...cornersOf(item), [round(point.latitude), round(point.longitude)]];
      delete item.area;
    }
    this.clicks += 1;
    this.draw();
    this.onChange();
  }

  layers() {
    return this.items.flatMap((item, index) => {
      const name = index === this.active ? 'draft' : 'zone';
      if (item.kind === 'segment') {
        const points = item.path ? item.path.map(([longitude, latitude]) => ({ longitude, latitude })) : this.way.between(...item.measures);
        return [{ kind: 'path', points, name: 'excluded' }];
      }
      if (item.kind === 'point') return [{ kind: 'circle', point: item.point, radius_m: item.point.radius_m, name }];
      const corners = cornersOf(item).map(([latitude, longitude]) => ({ latitude, longitude }));
      return corners.length ? [{ kind: 'area', points: corners, name }, ...(index === this.active ? corners.map((point) => ({ kind: 'dot', point, name: 'wanted' })) : [])] : [];
    });
  }

  body() {
    return this.items.map((item) => {
      const { corners, ...kept } = item;
      if (item.kind === 'segment' && !item.path && this.way) kept.path = this.way.between(...item.measures).map((one) => [round(one.longitude), round(one.latitude)]);
      if (item.kind === 'area' && corners) {
        const ring = corners.map(([latitude, longitude]) => [longitude, latitude]);
        kept.area = { type: 'Polygon', coordinates: [[...ring, ...ring.slice(0, 1)]] };
      }
      return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== null && value !== '' && value !== undefined));
    });
  }

  mark(index) {
    this.edit(index);
    this.root.querySelector(`[data-row="${index}"] input`)?.focus();
  }

  draw() {
    refresh(this.root, [document.documentElement.lang, this.items, this.active, Boolean(this.way)], () => el('fieldset', { class: 'exclusions' },
      el('legend', {}, t('exclusions.title')),
      this.items.length ? null : el('p', { class: 'quiet' }, t('exclusions.none')),
      el('ol', { class: 'plain' }, this.items.map((item, index) => this.row(item, index))),
      el('div', { class: 'side' }, ['segment', 'point', 'area'].map((kind) => el('button', {
        type: 'button', disabled: !this.way, data: { focus: `add-${kind}` }, on: { click: () => this.add(kind) } }, t(`exclusions.add_${kind}`))))));
  }

  row(item, index) {
    const active = index === this.active;
    if (!active) {
      return el('li', { class: 'exclusion side', data: { row: index } }, el('span', {}, `${t(`exclusions.${item.kind}`)} : ${word('exclusion', item.reason)}`, el('span', { class: 'quiet' }, ` ${this.summary(item)}`)),
        el('button', { type: 'button', class: 'small', data: { focus: `edit-${index}` }, on: { click: () => this.edit(index) } }, t('policies.edit')), this.remover(index));
    }
    const reason = el('select', { id: `exclusion-${index}-reason`, data: { focus: 'reason' }, on: { change: (event) => this.change(item, { reason: event.target.value }) } },
      REASONS.map((code) => el('option', { value: code, selected: code === item.reason }, word('exclusion', code))));
    const until = this.input(index, 'valid_until', 'date', item.valid_until ?? '', (value) => this.change(item, { valid_until: value || null }));
    const direction = el('select', { id: `exclusion-${index}-direction`, data: { focus: 'direction' }, on: { change: (event) => this.change(item, { direction_id: event.target.value === '' ? null : Number(event.target.value) }) } },
      el('option', { value: '' }, t('policy.both')), [...new Set([this.way?.direction_id, item.direction_id])].filter((id) => id !== null && id !== undefined).map((id) => el('option', { value: id, selected: id === item.direction_id }, id === this.way?.direction_id ? t('night.towards', { name: this.way.headsign ?? this.way.stops.at(-1).name }) : String(id))));
    return el('li', { class: 'exclusion active', data: { row: index } }, el('strong', {}, t(`exclusions.${item.kind}`)), el('p', { class: 'quiet' }, t(`exclusions.${item.kind}_said`)),
      el('div', { class: 'grid' }, labelled('exclusions.reason', reason), labelled('exclusions.until', until), labelled('policy.direction', direction), ...this.placeFields(item, index)),
      el('div', { class: 'side' }, el('button', { type: 'button', class: 'small', data: { focus: 'done' }, on: { click: () => this.edit(-1) } }, t('exclusions.done')), this.remover(index)));
  }

  placeFields(item, index) {
    const number = (name, value, set) => this.input(index, name, 'number', value, (text) => { if (text !== '' && Number.isFinite(Number(text))) set(Number(text)); });
    if (item.kind === 'segment') {
      const measures = item.measures ?? [0, 0];
      const set = (at) => (value) => {
        const next = [...measures];
        next[at] = value;
        delete item.path;
        this.change(item, { measures: next });
      };
      return [labelled('exclusions.from_m', number('from', measures[0], set(0))), labelled('exclusions.to_m', number('to', measures[1], set(1)))];
    }
    if (item.kind === 'point') {
      return ['latitude', 'longitude', 'radius_m'].map((name) => labelled(`exclusions.${name}`, number(name, item.point[name], (value) => this.change(item, { point: { ...item.point, [name]: value } }))));
    }
    const area = el('textarea', { id: `exclusion-${index}-corners`, rows: 4, data: { focus: 'corners' }, value: cornersOf(item).map((one) => one.join(', ')).join('\n'), on: { change: (event) => {
      delete item.area;
      this.change(item, { corners: event.target.value.split('\n').map((line) => line.split(/[,;\s]+/).map(Number)).filter((one) => one.length >= 2 && one.every(Number.isFinite)) });
    } } });
    return [labelled('exclusions.corners', area)];
  }

  input(index, name, type, value, set) {
    return el('input', { id: `exclusion-${index}-${name}`, type, value, step: 'any', autocomplete: 'off', data: { focus: name }, on: { change: (event) => set(event.target.value) } });
  }

  change(item, values) {
    Object.assign(item, values);
    this.draw();
    this.onChange();
  }

  remover(index) {
    return el('button', { type: 'button', class: 'small', data: { focus: `remove-${index}` }, on: { click: () => { this.items.splice(index, 1); this.edit(-1); } } }, t('exclusions.remove'));
  }

  summary(item) {
    if (item.kind === 'segment') return item.measures ? `${Math.round(item.measures[0])}–${Math.round(item.measures[1])} m` : '';
    if (item.kind === 'point') return `${item.point.latitude}, ${item.point.longitude} ± ${distance(item.point.radius_m)}`;
    return t('exclusions.corners_count', { n: cornersOf(item).length });
  }
}

function labelled(key, input) {
  return el('p', { class: 'field' }, el('label', { for: input.id }, t(key)), input);
}

function cornersOf(item) {
  if (item.corners) return item.corners;
  return (item.area?.coordinates?.[0] ?? []).slice(0, -1).map(([longitude, latitude]) => [latitude, longitude]);
}

function round(value) {
  return Math.round(value * 1e6) / 1e6;
}
