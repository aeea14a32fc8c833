// The teams that may be sent to a case, nearest free one first. Rows stay: one that is replaced under the mouse
// swallows the click that was meant to send help.

import { el, keyed, setText, show } from '../dom.js';
import { t } from '../words.js';
import { distanceWords, forAlert, teamState, whereabouts } from './teams.js';

const ASKED = new Set(['offered', 'accepted', 'en_route', 'on_scene']);

export class AssignList {
  constructor({ store, places, onAssign }) {
    Object.assign(this, { store, places, onAssign });
    this.list = el('ul', { class: 'plain assign-list' });
    this.nobody = el('p', { class: 'quiet' }, t('assign.nobody'));
    this.node = el('div', {}, this.nobody, this.list);
  }

  draw(alert) {
    const asked = new Set(alert.assignments.filter((one) => ASKED.has(one.state)).map((one) => one.team_id));
    // While somebody is choosing, the order holds still.
    const choices = forAlert(alert, this.store);
    if (this.list.matches(':hover, :focus-within')) {
      const places = new Map([...this.list.children].map((row, index) => [row.dataset.id, index]));
      choices.sort((a, b) => (places.get(a.team.id) ?? Infinity) - (places.get(b.team.id) ?? Infinity));
    }
    show(this.nobody, choices.length === 0);
    keyed(this.list, choices, ({ team }) => team.id, ({ team }) => this.create(team), (row, one) => this.update(row, one, asked));
  }

  create(team) {
    const parts = { sign: el('strong'), state: el('span'), away: el('span'), where: el('span', { class: 'quiet' }) };
    const button = el('button', { type: 'button', class: 'assign-team', on: { click: () => this.onAssign(team.id) } }, Object.values(parts));
    const row = el('li', { data: { id: team.id } }, button);
    Object.assign(row, { parts, button });
    return row;
  }

  update(row, one, asked) {
    const { team } = one;
    setText(row.parts.sign, team.call_sign);
    setText(row.parts.state, t(asked.has(team.id) ? 'assign.asked' : `team.${teamState(team, this.store)}`));
    setText(row.parts.away, distanceWords(one));
    setText(row.parts.where, whereabouts(team, this.places));
    row.button.disabled = asked.has(team.id);
  }
}
