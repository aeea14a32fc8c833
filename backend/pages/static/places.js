// The network as the pages need it: names of lines and stops, and the stop nearest to a position.

const EARTH_M = 6371008.8;

export class Places {
  constructor() {
    this.features = { type: 'FeatureCollection', features: [] };
    this.lines = new Map();
    this.stops = new Map();
    this.grid = new Map();
    this.nearest = new Map();
  }

  async load(api) {
    this.features = await api.get('/v1/network/map');
    this.nearest.clear();
    for (const { properties, geometry } of this.features.features) {
      if (properties.kind === 'line') {
        this.lines.set(properties.line_id, properties);
      } else if (properties.kind === 'stop') {
        const [longitude, latitude] = geometry.coordinates;
        const stop = { id: properties.stop_id, name: properties.name, latitude, longitude };
        this.stops.set(stop.id, stop);
        const cell = cellOf(latitude, longitude);
        this.grid.set(cell, [...(this.grid.get(cell) ?? []), stop]);
      }
    }
  }

  lineName(id) { return this.lines.get(id)?.name ?? null; }

  lineColor(id) { return this.lines.get(id)?.color ?? null; }

  stopName(id) { return this.stops.get(id)?.name ?? null; }

  nearestStop(position) {
    const key = `${position.latitude},${position.longitude}`;
    if (this.nearest.has(key)) return this.nearest.get(key);
    let best = null;
    for (const [down, right] of [[0, 0], [0, 1], [0, -1], [1, 0], [-1, 0], [1, 1], [1, -1], [-1, 1], [-1, -1]]) {
      for (const stop of this.grid.get(cellOf(position.latitude, position.longitude, down, right)) ?? []) {
        const distance_m = metresBetween(position, stop);
        if (!best || distance_m < best.distance_m) best = { ...stop, distance_m };
      }
    }
    if (this.nearest.size > 5000) this.nearest.clear();
    this.nearest.set(key, best);
    return best;
  }

  bounds() {
    const box = [180, 90, -180, -90];
    for (const stop of this.stops.values()) widen(box, stop.longitude, stop.latitude);
    return box[0] > box[2] ? null : box;
  }
}

export function metresBetween(a, b) {
  const rad = Math.PI / 180;
  const x = (b.longitude - a.longitude) * rad * Math.cos(((a.latitude + b.latitude) / 2) * rad);
  const y = (b.latitude - a.latitude) * rad;
  return Math.hypot(x, y) * EARTH_M;
}

function cellOf(latitude, longitude, down = 0, right = 0) {
  return `${Math.floor(latitude * 100) + down}/${Math.floor(longitude * 100) + right}`;
}

function widen(box, longitude, latitude) {
  box[0] = Math.min(box[0], longitude);
  box[1] = Math.min(box[1], latitude);
  box[2] = Math.max(box[2], longitude);
  box[3] = Math.max(box[3], latitude);
}
