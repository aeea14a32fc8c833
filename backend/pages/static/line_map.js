// A line drawn as plain SVG: its path, its stops, and what is chosen on it. No tiles, no WebGL, so it works in a tunnel;
// all that it shows is also in the lists beside it.

import { el } from './dom.js';
import { t } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 640;
const PADDING = 40;
const DEEPEST = 40;

export function svg(tag, properties = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) if (value !== null && value !== undefined) node.setAttribute(name, String(value));
  node.append(...children.flat().filter(Boolean));
  return node;
}

export class LineMap {
  // `onPick({longitude, latitude})` when somebody taps or clicks; `labelled` says what the picture is.
  constructor({ container, labelled, onPick, height = 420 }) {
    Object.assign(this, { onPick, height });
    this.root = svg('svg', { class: 'line-map', role: 'img', 'aria-label': labelled, preserveAspectRatio: 'xMidYMid meet' });
    const zoom = (factor, key, sign) => el('button', { type: 'button', class: 'small', 'aria-label': t(key), on: { click: () => this.zoom(factor) } }, sign);
    container.replaceChildren(this.root, el('div', { class: 'map-zoom' }, zoom(0.5, 'map.closer', '+'), zoom(2, 'map.wider', '−')));
    this.root.addEventListener('pointerdown', (event) => this.down(event));
    this.root.addEventListener('pointermove', (event) => this.drag(event));
    for (const end of ['pointerup', 'pointercancel']) this.root.addEventListener(end, (event) => this.up(event));
    this.root.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.xy(event));
    }, { passive: false });
    this.layers = [];
  }

  // The line itself; everything else is drawn in metres of this picture.
  setWay(way) {
    this.way = way;
    const { points } = way;
    const [west, east] = [Math.min(...points.map((one) => one.longitude)), Math.max(...points.map((one) => one.longitude))];
    const [south, north] = [Math.min(...points.map((one) => one.latitude)), Math.max(...points.map((one) => one.latitude))];
    this.shrink = Math.cos(((south + north) / 2) * (Math.PI / 180));
    Object.assign(this, { west, north });
    this.scale = (WIDTH - 2 * PADDING) / Math.max((east - west) * this.shrink, ((north - south) * WIDTH) / this.height, 1e-5);
    this.whole = { x: 0, y: 0, width: WIDTH, height: Math.max(this.height, (north - south) * this.scale + 2 * PADDING) };
    this.view = { ...this.whole };
    this.layers = [];
    this.draw();
  }

  at({ longitude, latitude }) {
    return [(longitude - this.west) * this.shrink * this.scale + PADDING, (this.north - latitude) * this.scale + PADDING];
  }

  metres(length_m) {
    return (length_m / 111195) * this.scale;
  }

  // [{kind: path|area|dot|circle, points|point, name, radius_m}], the last one on top.
  show(layers) {
    this.layers = layers;
    this.draw();
  }

  // Looks at a piece of the way closely.
  focus(from_m, to_m) {
    if (!this.way) return;
    const points = this.way.between(from_m, to_m).map((one) => this.at(one));
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const width = Math.max(Math.max(...xs) - Math.min(...xs), ((Math.max(...ys) - Math.min(...ys)) * this.whole.width) / this.whole.height, this.whole.width / DEEPEST) * 1.6;
    this.look((Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2, width);
  }

  zoom(factor, [x, y] = [this.view.x + this.view.width / 2, this.view.y + this.view.height / 2]) {
    const width = this.view.width * factor;
    const part = Math.max(this.whole.width / DEEPEST, Math.min(this.whole.width, width)) / this.view.width;
    this.look(x + (this.view.x + this.view.width / 2 - x) * part, y + (this.view.y + this.view.height / 2 - y) * part, this.view.width * part);
  }

  look(x, y, width) {
    const wide = Math.min(width, this.whole.width);
    const high = (wide * this.whole.height) / this.whole.width;
    this.view = { x: x - wide / 2, y: y - high / 2, width: wide, height: high };
    this.draw();
  }

  draw() {
    if (!this.way) return;
    const { x, y, width, height } = this.view;
    const one = width / WIDTH;
    this.root.setAttribute('viewBox', `${x} ${y} ${width} ${height}`);
    const line = (points) => points.map((point) => this.at(point).map((value) => value.toFixed(2)).join(',')).join(' ');
    const seen = this.way.stops.filter((stop) => { const [sx, sy] = this.at(stop); return sx > x && sx < x + width && sy > y && sy < y + height; });
    const every = Math.ceil(seen.length / 9);
    const stops = seen.map((stop, at) => {
      const [sx, sy] = this.at(stop);
      const left = sx > x + width * 0.62;
      return [svg('circle', { class: 'stop', cx: sx, cy: sy, r: 5 * one, 'stroke-width': 2 * one }),
        at % every === 0 ? svg('text', { class: 'name', x: sx + (left ? -9 : 9) * one, 'text-anchor': left ? 'end' : 'start', y: sy + 5 * one, 'font-size': 15 * one, 'stroke-width': 4 * one }, stop.name) : null];
    });
    const shapes = this.layers.map(({ kind, points, point, name, radius_m: radius }) => {
      if (kind === 'path') return svg('polyline', { class: name, points: line(points), 'stroke-width': 9 * one });
      if (kind === 'area') return svg('polygon', { class: name, points: line(points), 'stroke-width': 2 * one });
      const [cx, cy] = this.at(point);
      return svg('circle', { class: name, cx, cy, r: Math.max(radius ? this.metres(radius) : 0, (name === 'vehicle' ? 7 : 8) * one), 'stroke-width': 3 * one });
    });
    this.root.replaceChildren(svg('polyline', { class: 'way', points: line(this.way.points), 'stroke-width': 5 * one }), ...shapes, ...stops.flat().filter(Boolean));
  }

  xy({ clientX, clientY }) {
    const point = new DOMPoint(clientX, clientY).matrixTransform(this.root.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  down(event) {
    this.held = { x: event.clientX, y: event.clientY, view: { ...this.view }, moved: false };
  }

  drag(event) {
    if (!this.held) return;
    const [dx, dy] = [event.clientX - this.held.x, event.clientY - this.held.y];
    if (!this.held.moved && Math.hypot(dx, dy) < 8) return;
    this.held.moved = true;
    const one = this.view.width / this.root.getBoundingClientRect().width;
    const { view } = this.held;
    this.look(view.x + view.width / 2 - dx * one, view.y + view.height / 2 - dy * one, view.width);
  }

  up(event) {
    const { held } = this;
    this.held = null;
    if (!held || held.moved || event.type === 'pointercancel') return;
    const [x, y] = this.xy(event);
    this.onPick({ longitude: (x - PADDING) / this.scale / this.shrink + this.west, latitude: this.north - (y - PADDING) / this.scale });
  }
}
