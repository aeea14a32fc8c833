// What a driver's page knows: the vehicle and the night stops asked of it, from a snapshot kept true by the feed.

const LIVE = new Set(['sent_to_driver', 'alternative_proposed', 'accepted', 'approaching']);
export const PROMISED = new Set(['accepted', 'approaching']);

export class DriverState {
  constructor({ onChange, onAsked, onGone }) {
    Object.assign(this, { onChange, onAsked, onGone });
    this.vehicle = null;
    this.stops = new Map();
  }

  load(snapshot) {
    const before = this.stops;
    this.vehicle = snapshot.vehicle;
    this.stops = new Map(snapshot.night_stops.map((one) => [one.id, one]));
    for (const one of this.stops.values()) if (one.state === 'sent_to_driver') this.onAsked(one, { isNew: !before.has(one.id) });
    this.onChange();
    return snapshot.seq;
  }

  apply({ type, data }) {
    if (type === 'night_stop.requested' || type === 'night_stop.changed') this.put(data.night_stop);
    else if (type === 'night_stop.gone') this.remove(data.night_stop_id, data.reason);
  }

  put(stop) {
    const known = this.stops.get(stop.id);
    if (known && known.version > stop.version) return;
    if (LIVE.has(stop.state)) this.stops.set(stop.id, stop);
    else this.stops.delete(stop.id);
    const asked = stop.state === 'sent_to_driver';
    if (asked && known?.state !== 'sent_to_driver') this.onAsked(stop, { isNew: true });
    this.onChange();
  }

  remove(id, reason) {
    const known = this.stops.get(id);
    if (!known) return;
    this.stops.delete(id);
    this.onGone({ stop: known, reason });
    this.onChange();
  }

  // The one that waits for an answer first, then the nearest on the way.
  get ordered() {
    const waits = (stop) => (stop.state === 'sent_to_driver' ? 0 : 1);
    return [...this.stops.values()].sort((a, b) => waits(a) - waits(b) || (a.measure_m ?? 0) - (b.measure_m ?? 0));
  }
}
