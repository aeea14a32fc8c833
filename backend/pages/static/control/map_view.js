// What the control room's map shows of the store.

import { byId, show } from '../dom.js';
import { circle, LiveMap, point, segment } from '../map.js';
import { t } from '../words.js';
import { isOpen, urgency } from './ranking.js';
import { isFresh } from './teams.js';

export class MapView {
  constructor({ store, places, onOpen, onTeam }) {
    Object.assign(this, { store });
    this.map = new LiveMap({ container: byId('map'), places, onAlert: onOpen, onTeam });
    store.onChange(({ kind }) => this.changed(kind));
  }

  async start() {
    const drawn = await this.map.start({ labelled: t('map.label') });
    show(byId('map-missing'), !drawn);
    show(byId('map'), drawn);
    this.changed('all');
  }

  changed(kind) {
    if (['call', 'message', 'night_stop', 'suspensions'].includes(kind)) return;
    if (kind !== 'positions') this.alertsLater();
    if (kind !== 'selected') this.moving();
    if (kind === 'selected') this.goToSelected();
  }

  alertsLater() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.alerts(); });
  }

  alerts() {
    const features = this.store.open().filter((alert) => alert.position).map((alert) => point(alert.position, {
      id: alert.id,
      icon: `alert-${alert.priority}-${urgency(alert)}`,
      selected: alert.id === this.store.selected,
      order: alert.id === this.store.selected ? 10 : 5 - alert.priority,
    }));
    this.map.show('alerts', features);
    const alert = this.store.alerts.get(this.store.selected);
    const sure = alert?.position?.accuracy_m;
    this.map.show('accuracy', sure ? [circle(alert.position, Math.min(sure, 3000))] : []);
    this.links(alert);
  }

  // A line from the case in hand to each team that goes there.
  links(alert) {
    const going = (alert && isOpen(alert) && alert.position ? alert.assignments ?? [] : [])
      .filter((one) => ['accepted', 'en_route'].includes(one.state))
      .map((one) => this.store.teams.get(one.team_id)?.position).filter(Boolean);
    this.map.show('links', going.map((position) => segment(position, alert.position)));
  }

  moving() {
    const teams = [...this.store.teams.values()].filter((team) => team.position && team.on_duty);
    this.map.show('teams', teams.map((team) => point(team.position, {
      id: team.id, label: team.call_sign, busy: Boolean(this.store.engagedOn(team.id)), opacity: isFresh(team.position) ? 1 : 0.4,
    })));
    const vehicles = [...this.store.vehicles.values()].filter((vehicle) => vehicle.position);
    this.map.show('vehicles', vehicles.map((vehicle) => point(vehicle.position, {
      label: String(vehicle.number), opacity: isFresh(vehicle.position) ? 1 : 0.35,
    })));
    this.links(this.store.alerts.get(this.store.selected));
  }

  goToSelected() {
    const alert = this.store.alerts.get(this.store.selected);
    if (!alert?.position) return;
    const teams = (alert.assignments ?? []).map((one) => this.store.teams.get(one.team_id)?.position).filter(Boolean);
    if (teams.length) this.map.fit([alert.position, ...teams]);
    else this.map.goTo(alert.position);
  }

  goToTeam(id) {
    const position = this.store.teams.get(id)?.position;
    if (position) this.map.goTo(position);
  }
}
