// What happened, in taps; all of it optional, each tap sent as it is made.

import { byId, el, refresh } from '../dom.js';
import { t, word } from '../words.js';

const FIRST = ['sexual_contact', 'sexual_no_contact', 'assault', 'threat', 'theft', 'medical'];
const OTHERS = ['sexist_insult', 'discrimination', 'antisocial', 'suspicious_object', 'other'];

export class Details {
  constructor({ onChoose }) {
    this.onChoose = onChoose;
    this.chosen = {};
    this.all = false;
    byId('describe-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const text = byId('describe-text').value.trim();
      if (text) this.choose('description', text);
    });
  }

  reset(chosen = {}) {
    this.chosen = { ...chosen };
    this.all = OTHERS.includes(this.chosen.category);
    byId('describe-text').value = this.chosen.description ?? '';
    this.draw();
  }

  choose(field, value) {
    this.chosen[field] = value;
    this.draw();
    this.onChoose({ [field]: value });
  }

  draw() {
    const language = document.documentElement.lang;
    const { category, reporter_role: role, contact_mode: mode, description } = this.chosen;
    refresh(byId('categories'), [language, category, this.all], () => [
      ...(this.all ? [...FIRST, ...OTHERS] : FIRST).map((code) => this.button('category', code, category, icon(code))),
      this.all ? null : el('button', { type: 'button', class: 'choice', data: { focus: 'more' }, on: { click: () => { this.all = true; this.draw(); byId('categories').children[FIRST.length].focus(); } } }, icon('other'), el('span', {}, t('details.more'))),
    ]);
    refresh(byId('roles'), [language, role], () => ['victim', 'witness'].map((code) => this.button('reporter_role', code, role)));
    refresh(byId('modes'), [language, mode], () => ['can_talk', 'cannot_talk'].map((code) => this.button('contact_mode', code, mode, icon(code))));
    byId('describe-said').textContent = description ? t('details.description_kept') : '';
  }

  button(field, code, current, picture = null) {
    return el('button', {
      type: 'button', class: 'choice', 'aria-pressed': String(code === current), data: { focus: code }, on: { click: () => this.choose(field, code) },
    }, picture, el('span', {}, word(`rider_${field}`, code)));
  }
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}
