// Choosing where to get off: the line, the bus, the place. Why a place is not possible is said while choosing.

import { byId, el, refresh, show } from '../../dom.js';
import { LineWay } from '../../line_way.js';
import { t, word } from '../../words.js';
import { api, ensureDevice } from '../device.js';
import { PlaceChoice } from './place_choice.js';

export class Picker {
  constructor({ root, onAsk, onClose }) {
    Object.assign(this, { root, onAsk, onClose });
    this.head = el('div', { class: 'night-step' });
    this.place = el('div', { class: 'night-step' });
    root.replaceChildren(this.head, this.place, el('button', { type: 'button', class: 'wide plain-button', data: { t: 'night.close' }, on: { click: onClose } }, t('night.close')));
    this.reset();
  }

  reset() {
    this.choice?.stop();
    Object.assign(this, { lines: null, names: new Map(), line: null, vehicle: null, asking: null, ways: null, way: null, problem: '', choice: null });
  }

  async start(vehicle = null) {
    this.reset();
    this.number = vehicle ?? '';
    this.draw();
    this.locate();
    await this.tryTo(async () => {
      await ensureDevice();
      const [{ items }, { lines }] = await Promise.all([api.get('/v1/night-stops/lines'), api.get('/v1/network/lines')]);
      this.names = new Map(lines.map((one) => [one.id, one]));
      this.lines = grouped(items);
    });
    if (vehicle && this.lines) await this.board(vehicle);
  }

  // Again with the line and the bus that are known already, and at once where it is possible instead.
  async startAgain(body, instead) {
    await this.start();
    if (!this.lines) return;
    if (body.vehicle_number) await this.board(body.vehicle_number);
    else await this.takeLine(body.line_id, body.direction_id ?? null);
    if (instead) this.choice?.take(instead);
  }

  stop() {
    this.choice?.stop();
    if (this.watch !== undefined) navigator.geolocation.clearWatch(this.watch);
    this.watch = undefined;
  }

  locate() {
    if (!navigator.geolocation || this.watch !== undefined) return;
    // Only to know which bus she is in; the number of the bus does the same without it.
    this.watch = navigator.geolocation.watchPosition(({ coords, timestamp }) => {
      this.position = { latitude: coords.latitude, longitude: coords.longitude, accuracy_m: coords.accuracy, taken_ms: timestamp,
        ...(Number.isFinite(coords.heading) ? { heading_deg: coords.heading } : {}) };
    }, () => { /* Refused or not there: the number then says it. */ }, { enableHighAccuracy: true, maximumAge: 10000, timeout: 20000 });
  }

  fix() {
    if (!this.position) return null;
    const { taken_ms: taken, ...fix } = this.position;
    return { ...fix, fix_age_ms: Math.max(0, Math.round(Date.now() - taken)) };
  }

  async tryTo(work) {
    try {
      this.problem = '';
      await work();
    } catch (problem) {
      this.problem = problem.detail ?? String(problem);
    }
    this.draw();
  }

  // The bus by the number that is written in it: its line, its direction and its next stops come with it.
  async board(number) {
    await this.tryTo(async () => {
      const vehicle = await api.get(`/v1/vehicles/${encodeURIComponent(number)}`);
      this.vehicle = { ...vehicle, vehicle_number: vehicle.vehicle_number ?? number };
      if (!vehicle.line_id) throw new Error(t('night.bus_without_line', { number }));
      await this.readLine(vehicle.line_id);
      this.setWay(this.ways.find((one) => one.direction_id === vehicle.direction_id) ?? (this.ways.length === 1 ? this.ways[0] : null));
    });
  }

  async takeLine(lineId, directionId = null) {
    await this.tryTo(async () => {
      await this.readLine(lineId);
      if (directionId !== null) this.setWay(this.ways.find((one) => one.direction_id === directionId));
      else if (this.ways.length === 1) this.setWay(this.ways[0]);
    });
  }

  async readLine(lineId) {
    const { directions } = await api.get(`/v1/network/lines/${encodeURIComponent(lineId)}`);
    this.line = lineId;
    this.ways = directions.map((one) => new LineWay(one));
  }

  setWay(way) {
    this.way = way ?? null;
    this.choice?.stop();
    this.choice = way ? new PlaceChoice({ root: this.place, way, vehicle: this.vehicle, line: this.names.get(this.line),
      wish: () => this.wish(), onAsk: this.onAsk }) : null;
  }

  wish() {
    const fix = this.fix();
    return { line_id: this.line, ...(this.way ? { direction_id: this.way.direction_id } : {}),
      ...(this.vehicle ? { vehicle_number: this.vehicle.vehicle_number } : {}), ...(fix ? { position: fix } : {}) };
  }

  draw() {
    const shown = [document.documentElement.lang, this.lines, this.line, this.way?.direction_id, this.problem, this.vehicle?.vehicle_number, this.names.size];
    refresh(this.head, shown, () => this.steps());
    show(this.place, Boolean(this.way));
    this.choice?.draw();
  }

  steps() {
    if (this.problem) {
      return [el('p', { class: 'form-message', role: 'alert' }, this.problem), this.numberForm(),
        el('button', { type: 'button', class: 'wide', data: { focus: 'restart' }, on: { click: () => void this.start() } }, t('night.restart'))];
    }
    if (!this.lines) return el('p', { class: 'quiet', role: 'status' }, t('night.reading'));
    if (this.way) return this.chosen();
    if (this.ways) return [this.lineTitle(), el('p', {}, t('night.which_direction')), this.ways.map((way) => el('button', { type: 'button', class: 'wide', data: { focus: `way-${way.direction_id}` }, on: {
      click: () => { this.setWay(way); this.draw(); } } }, t('night.towards', { name: way.headsign ?? way.stops.at(-1).name })))];
    const open = this.lines.filter((one) => one.open_now);
    return [
      el('p', {}, t('night.explain')),
      open.length ? this.numberForm() : null,
      el('h3', {}, t(open.length ? 'night.lines' : 'night.none_open')),
      el('ul', { class: 'plain night-lines' }, this.lines.map((one) => el('li', {}, this.lineButton(one)))),
      this.lines.length ? null : el('p', { class: 'quiet' }, t('night.no_lines')),
    ];
  }

  numberForm() {
    const input = el('input', { id: 'night-vehicle', type: 'text', inputmode: 'numeric', maxlength: 40, autocomplete: 'off', value: this.number ?? '' });
    return el('form', { class: 'night-number', novalidate: true, on: { submit: (event) => {
      event.preventDefault();
      this.number = input.value.trim();
      if (this.number && this.lines) void this.board(this.number);
    } } }, el('label', { for: 'night-vehicle' }, t('night.number')), el('div', { class: 'side' }, input, el('button', { type: 'submit', class: 'strong' }, t('night.find'))));
  }

  lineButton(one) {
    const name = this.names.get(one.line_id);
    return el('button', { type: 'button', class: 'wide night-line', disabled: !one.open_now, data: { focus: `line-${one.line_id}` }, on: { click: () => void this.takeLine(one.line_id) } },
      badge(name, one.line_id), el('span', { class: 'night-line-name' }, name?.long_name ?? ''), el('span', { class: 'quiet' }, one.open_now ? '' : t('night.hours', one)));
  }

  lineTitle() {
    return el('p', { class: 'night-line-title' }, badge(this.names.get(this.line), this.line), ' ', this.vehicle ? t('night.bus', { number: this.vehicle.vehicle_number }) : '');
  }

  chosen() {
    const state = this.vehicle?.state;
    return [
      el('p', { class: 'night-line-title' }, badge(this.names.get(this.line), this.line), ' ', t('night.towards', { name: this.way.headsign ?? this.way.stops.at(-1).name }),
        this.vehicle ? ` · ${t('night.bus', { number: this.vehicle.vehicle_number })}` : ''),
      state && state !== 'on_line' ? el('p', { class: 'quiet' }, word('vehicle_state', state)) : null,
      el('button', { type: 'button', class: 'small', data: { focus: 'restart' }, on: { click: () => { byId('night-title').focus(); void this.start(); } } }, t('night.other_line')),
    ];
  }
}

function badge(line, id) {
  return el('span', { class: 'badge' }, line?.short_name ?? id);
}

// A line may have several policies: it is open when one of them is.
function grouped(items) {
  const lines = new Map();
  for (const item of items) {
    const known = lines.get(item.line_id);
    if (!known || (item.open_now && !known.open_now)) lines.set(item.line_id, item);
  }
  return [...lines.values()].sort((a, b) => Number(b.open_now) - Number(a.open_now) || a.line_id.localeCompare(b.line_id, undefined, { numeric: true }));
}
