// The control room's sound: tested by a person at sign-in, ringing until somebody has pressed Seen.

import { Alarm } from '../alarm.js';
import { announce, byId, setText, show } from '../dom.js';
import { onLanguage, t } from '../words.js';
import { isOpen, isUnseen } from './ranking.js';

export class Sound {
  constructor({ store }) {
    this.store = store;
    this.heeded = new Set();
    this.alarm = new Alarm({ onState: (state) => this.drawState(state) });
    byId('sound-state').addEventListener('click', () => void this.test());
    byId('sound-play').addEventListener('click', () => void this.test());
    byId('sound-heard').addEventListener('click', () => {
      this.alarm.confirmHeard();
      byId('sound-state').focus();
    });
    onLanguage(() => this.drawState(this.alarm.state));
    store.onChange((change) => this.changed(change));
  }

  async test() {
    await this.alarm.arm();
    show(byId('sound-banner'), this.alarm.state !== 'armed');
    if (this.alarm.state === 'untested') byId('sound-heard').focus();
  }

  drawState(state) {
    setText(byId('sound-state'), t(`sound.${state}`));
    byId('sound-state').dataset.state = state;
    setText(byId('sound-text'), t(`sound.${state}_said`));
    show(byId('sound-heard'), state === 'untested');
    show(byId('sound-banner'), state !== 'armed');
  }

  changed({ kind, isNew, alert, alert_id: alertId, type }) {
    if (kind === 'call') this.heeded.delete(alertId);
    if (isNew && isUnseen(alert)) announce(t('said.raised'));
    if (kind === 'call' && type === 'alert.needs_human') announce(t('said.needs_human'));
    if (['all', 'alert', 'call'].includes(kind)) this.decide();
  }

  // Pressing Seen stops the sound for this alert; being called again for it starts the sound again.
  heed(id) {
    this.heeded.add(id);
    this.decide();
  }

  decide() {
    const loud = this.store.open().some((alert) => isOpen(alert)
      && !this.heeded.has(alert.id) && (isUnseen(alert) || (alert.needs_human && !alert.acknowledged_at)));
    document.documentElement.dataset.ringing = String(loud);
    document.documentElement.dataset.trouble = String(Boolean(this.inTrouble));
    // One sound at a time, and a person in danger before a machine.
    if (loud) this.alarm.ring('danger');
    else if (this.inTrouble) this.alarm.ring('trouble');
    else if (this.alarm.ringing) this.alarm.silence();
    document.documentElement.dataset.sound = this.alarm.ringing ?? '';
  }

  // Rings while the system has a trouble that nobody has read; losing all word of it is heard once, like a lost link.
  trouble(unread, silent) {
    const ringing = unread && !silent;
    if (silent) this.linkLost(true);
    if (ringing === Boolean(this.inTrouble)) return;
    this.inTrouble = ringing;
    this.decide();
  }

  linkLost(lost) {
    if (lost && !this.lost && !this.alarm.ringing) this.alarm.play('lost');
    this.lost = lost;
  }
}
