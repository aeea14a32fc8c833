// What the control room knows: a snapshot, kept true by the feed and by positions.

import { CARED_FOR, isOpen } from './ranking.js';

export class Store {
  constructor() {
    this.alerts = new Map();
    this.teams = new Map();
    this.vehicles = new Map();
    this.network = {};
    this.listeners = new Set();
    this.selected = null;
  }

  onChange(listener) {
    this.listeners.add(listener);
  }

  tell(change) {
    if (change.kind !== 'positions') this.engagements = null;
    for (const listener of this.listeners) listener(change);
  }

  load(snapshot) {
    this.alerts = new Map(snapshot.alerts.map((alert) => [alert.id, alert]));
    this.teams = new Map(snapshot.teams.map((team) => [team.id, team]));
    this.vehicles = new Map(snapshot.vehicles.map((vehicle) => [vehicle.id, vehicle]));
    this.network = snapshot.network;
    this.settings = snapshot.settings ?? {};
    this.tell({ kind: 'all' });
    return snapshot.seq;
  }

  apply({ type, data }) {
    if (data.alert && (type === 'alert.raised' || type === 'alert.changed')) this.put(data.alert, type === 'alert.raised');
    else if (type === 'team.changed') this.putTeam(data.team ?? data);
    else if (type === 'alert.unseen' || type === 'alert.needs_human') this.tell({ kind: 'call', type, ...data });
    else if (type === 'night_stop.changed') this.tell({ kind: 'night_stop', night_stop: data.night_stop });
    else if (type === 'night_stops.suspended') this.tell({ kind: 'suspensions', suspensions: data.suspensions });
    else if (type === 'message.added') this.tell({ kind: 'message', ...data });
  }

  // An answer to an action and the same news on the feed may come in either order: the higher version is right.
  put(alert, isNew = false) {
    const known = this.alerts.get(alert.id);
    if (known && known.version > alert.version) return;
    if (isOpen(alert) || alert.id === this.selected) this.alerts.set(alert.id, alert);
    else this.alerts.delete(alert.id);
    this.tell({ kind: 'alert', id: alert.id, alert, isNew: isNew && !known });
  }

  putTeam(team) {
    const known = this.teams.get(team.id);
    this.teams.set(team.id, { ...team, position: team.position ?? known?.position ?? null });
    this.tell({ kind: 'team', id: team.id });
  }

  move({ teams = [], vehicles = [], gone = [] }) {
    for (const [id, longitude, latitude, heading_deg, accuracy_m, fix_at_ms] of teams) {
      const team = this.teams.get(id);
      if (!team) continue;
      const fix_at = new Date(fix_at_ms).toISOString();
      team.position = { longitude, latitude, heading_deg, accuracy_m, fix_at };
    }
    for (const id of gone) {
      const team = this.teams.get(id);
      if (team) team.position = null;
    }
    for (const [id, number, longitude, latitude, heading_deg, fix_at_ms] of vehicles) {
      const vehicle = this.vehicles.get(id) ?? { id, number, line_id: null };
      vehicle.position = { longitude, latitude, heading_deg, fix_at: new Date(fix_at_ms).toISOString() };
      this.vehicles.set(id, vehicle);
    }
    this.tell({ kind: 'positions' });
  }

  select(id) {
    const before = this.selected;
    this.selected = id;
    const left = this.alerts.get(before);
    if (left && !isOpen(left) && before !== id) this.alerts.delete(before);
    this.tell({ kind: 'selected', id });
  }

  // The alert that a team works on, read from the alerts themselves: they change before the team's own card does.
  engagedOn(teamId) {
    if (!this.engagements) {
      this.engagements = new Map();
      for (const alert of this.open()) {
        for (const one of alert.assignments) if (CARED_FOR.has(one.state)) this.engagements.set(one.team_id, alert.id);
      }
    }
    return this.engagements.get(teamId) ?? null;
  }

  open() {
    return [...this.alerts.values()].filter(isOpen);
  }
}
