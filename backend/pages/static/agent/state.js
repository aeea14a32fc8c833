// What an agent's page knows: team, shift and assignments, from a snapshot kept true by the feed.

const LIVE = new Set(['offered', 'accepted', 'en_route', 'on_scene']);
const TOLD = ['category', 'reporter_role', 'contact_mode', 'priority', 'description', 'place', 'position'];
const MINE = new Set(['accepted', 'en_route', 'on_scene']);

export class AgentState {
  constructor({ onChange, onOffer, onGone, onShift, onUpdate = () => {} }) {
    Object.assign(this, { onChange, onOffer, onGone, onShift, onUpdate });
    this.assignments = new Map();
    this.team = null;
    this.shift = null;
  }

  load(snapshot) {
    this.team = snapshot.team;
    this.shift = snapshot.shift;
    const before = this.assignments;
    this.assignments = new Map(snapshot.assignments.map((one) => [one.id, one]));
    for (const one of this.assignments.values()) if (one.state === 'offered') this.onOffer(one, { isNew: !before.has(one.id) });
    this.onChange();
    return snapshot.seq;
  }

  apply({ type, data }) {
    if (type === 'assignment.offered' || type === 'assignment.changed') this.put(data.assignment, type === 'assignment.offered');
    else if (type === 'assignment.withdrawn') this.withdraw(data);
    else if (type === 'alert.updated') this.update(data.alert);
    else if (type === 'shift.changed') this.onShift();
  }

  put(assignment, isOffer = false) {
    const known = this.assignments.get(assignment.id);
    if (known && known.version > assignment.version) return;
    if (LIVE.has(assignment.state)) this.assignments.set(assignment.id, { ...known, ...assignment });
    else this.assignments.delete(assignment.id);
    if (isOffer && assignment.state === 'offered') this.onOffer(assignment, { isNew: !known });
    if (known && assignment.state === 'expired') this.onGone({ reason: 'expired' });
    this.onChange();
  }

  withdraw({ assignment_id: id, reason, taken_by: takenBy }) {
    if (!this.assignments.delete(id)) return;
    this.onGone({ reason, takenBy });
    this.onChange();
  }

  // What the rider added: remembered by name, so that the card says what is new and not only shows it.
  update(alert) {
    for (const [id, one] of this.assignments) {
      if (one.alert.id !== alert.id) continue;
      const added = TOLD.filter((name) => name in alert && JSON.stringify(alert[name] ?? null) !== JSON.stringify(one.alert[name] ?? null));
      this.assignments.set(id, { ...one, alert: { ...one.alert, ...alert }, added: [...new Set([...(one.added ?? []), ...added])] });
      if (added.length) this.onUpdate(added);
    }
    this.onChange();
  }

  setShift(shift) {
    this.shift = shift && !shift.ended_at ? shift : null;
    this.onChange();
  }

  get offers() {
    return [...this.assignments.values()].filter((one) => one.state === 'offered')
      .sort((a, b) => a.alert.priority - b.alert.priority || (a.offered_at < b.offered_at ? -1 : 1));
  }

  get missions() {
    return [...this.assignments.values()].filter((one) => MINE.has(one.state));
  }
}
