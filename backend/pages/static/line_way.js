// One direction of a line: metres along its path, the stops on it, and the place for a number of metres.

import { metresBetween } from './places.js';

export class LineWay {
  constructor({ direction_id, headsign, path, stops, length_m }) {
    Object.assign(this, { direction_id, headsign, stops });
    this.points = path.map(([longitude, latitude]) => ({ longitude, latitude }));
    const sums = [0];
    for (let at = 1; at < this.points.length; at += 1) sums.push(sums[at - 1] + metresBetween(this.points[at - 1], this.points[at]));
    this.length_m = length_m ?? sums.at(-1);
    // The server measures on the ellipsoid: its metres count, so that both mean the same place.
    const scale = sums.at(-1) ? this.length_m / sums.at(-1) : 1;
    this.measures = sums.map((sum) => sum * scale);
  }

  pointAt(measure_m) {
    const wanted = Math.max(0, Math.min(this.length_m, measure_m));
    let at = this.measures.findIndex((one) => one >= wanted);
    if (at <= 0) at = Math.min(1, this.points.length - 1);
    const [a, b] = [this.points[at - 1] ?? this.points[0], this.points[at]];
    const span = this.measures[at] - (this.measures[at - 1] ?? 0);
    const part = span ? (wanted - this.measures[at - 1]) / span : 0;
    return { longitude: a.longitude + (b.longitude - a.longitude) * part, latitude: a.latitude + (b.latitude - a.latitude) * part };
  }

  between(from_m, to_m) {
    const inside = this.points.filter((_, at) => this.measures[at] > from_m && this.measures[at] < to_m);
    return [this.pointAt(from_m), ...inside, this.pointAt(to_m)];
  }

  // The nearest place on the way; where it passes twice, the one nearer to `near_m`.
  locate(point, near_m = null) {
    let best = null;
    const shrink = Math.cos((point.latitude * Math.PI) / 180);
    for (let at = 1; at < this.points.length; at += 1) {
      const [a, b] = [this.points[at - 1], this.points[at]];
      const [dx, dy] = [(b.longitude - a.longitude) * shrink, b.latitude - a.latitude];
      const [px, py] = [(point.longitude - a.longitude) * shrink, point.latitude - a.latitude];
      const part = Math.max(0, Math.min(1, (px * dx + py * dy) / (dx * dx + dy * dy || 1)));
      const off_m = Math.hypot(px - dx * part, py - dy * part) * 111195;
      const measure_m = this.measures[at - 1] + (this.measures[at] - this.measures[at - 1]) * part;
      const cost = off_m + (near_m === null ? 0 : Math.min(Math.abs(measure_m - near_m) / 100, 15));
      if (!best || cost < best.cost) best = { measure_m, off_m, cost };
    }
    return best;
  }

  // The pieces between two stops that follow each other, from `from_m` on.
  pieces(from_m = 0) {
    return this.stops.slice(1).map((before, at) => ({ after: this.stops[at], before, index: at }))
      .filter(({ after, before }) => before.measure_m > from_m && before.measure_m - after.measure_m > 1);
  }

  // Between which stops a place lies, and how far after the first of them.
  placeAt(measure_m) {
    const pieces = this.pieces();
    const found = pieces.findLast(({ after }) => after.measure_m <= measure_m) ?? pieces[0];
    return { ...found, metres: Math.max(0, measure_m - found.after.measure_m) };
  }
}
