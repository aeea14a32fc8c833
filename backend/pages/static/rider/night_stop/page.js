// Night stops on the rider's page: choosing a place, then the truth about the request until she is home.

import { announce, byId, show } from '../../dom.js';
import { onLanguage } from '../../words.js';
import { api } from '../device.js';
import { listen } from '../news.js';
import { isQuiet } from '../settings.js';
import { Picker } from './picker.js';
import { isOver, Request } from './request.js';
import { headline, Status } from './status.js';

export class NightStopPage {
  constructor({ onClose }) {
    this.onClose = onClose;
    this.request = new Request({ onChange: () => this.draw(), onRefused: (problem) => announce(problem.detail) });
    this.picker = new Picker({ root: byId('night-picker'), onAsk: (body, said) => this.ask(body, said), onClose: () => this.leave() });
    this.status = new Status({
      root: byId('night-status'), onSay: (action, body) => this.request.add(action, body),
      onAgain: (instead) => this.again(instead), onDone: () => { this.request.clear(); this.leave(); },
    });
    onLanguage(() => { this.picker.draw(); this.draw(); });
    setInterval(() => this.status.tick(), 500);
  }

  open({ vehicle, asked }) {
    if (!this.request.record) void this.picker.start(vehicle);
    this.request.soon();
    this.draw();
    if (asked) byId('night-title').focus();
  }

  ask(body, said) {
    this.request.ask(body, said);
    byId('night-title').focus();
  }

  // From what was refused straight to what is possible instead: line and bus are known already.
  again(instead = null) {
    const { body } = this.request.record;
    this.request.clear();
    void this.picker.startAgain(body, instead);
  }

  leave() {
    this.picker.stop();
    this.onClose();
  }

  draw() {
    const { record } = this.request;
    show(byId('night-picker'), !record);
    show(byId('night-status'), Boolean(record));
    this.status.draw(record);
    const said = record ? headline(record).text : '';
    if (said && said !== this.said) {
      announce(said);
      if (this.said && !isQuiet()) navigator.vibrate?.(120);
    }
    this.said = said;
    // The timer ended in an alert of this phone: it is followed, and cancelled, like any other.
    if (record?.stop?.home_state === 'alerted' && this.adopted !== record.id) {
      this.adopted = record.id;
      document.dispatchEvent(new CustomEvent('vigie:alerts'));
    }
    const follow = Boolean(record?.sent) && !isOver(record.stop);
    if (follow && !this.leaveNews) {
      this.leaveNews = listen({
        read: async () => this.request.apply(await api.get(`/v1/night-stops/${record.id}`)),
        entry: ({ type, data }) => { if (type === 'night_stop.changed') this.request.apply(data.night_stop); },
      });
    } else if (!follow && this.leaveNews) {
      this.leaveNews();
      this.leaveNews = null;
    }
  }

}
