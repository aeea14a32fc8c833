// The position of a team or a vehicle while on duty: by socket, else by HTTP in batches; never after the shift.

const EVERY_MS = 3000;
const STILL_MS = 20000;
const KEPT = 50;

export class Positions {
  constructor({ api, onState, path = '/v1/agent/positions' }) {
    Object.assign(this, { api, onState, path });
    this.link = null;
    this.unsent = [];
    this.state = 'off';
  }

  // How old the last fix is: a receiver that stops says nothing about it.
  get age_s() {
    return this.foundAt === undefined ? Infinity : (performance.now() - this.foundAt) / 1000;
  }

  start() {
    if (this.watch !== undefined) return;
    if (!navigator.geolocation) {
      this.tell('missing');
      return;
    }
    this.tell('searching');
    const failed = (failure) => this.tell(failure.code === failure.PERMISSION_DENIED ? 'denied' : 'searching');
    const options = { enableHighAccuracy: true, maximumAge: 2000, timeout: 15000 };
    this.watch = navigator.geolocation.watchPosition((found) => this.found(found), failed, options);
    // Somebody who stands still gets no new fixes, and would look lost to the control room after a minute.
    this.still = setInterval(() => {
      if (Date.now() - (this.sentAt ?? 0) >= STILL_MS - 1000) navigator.geolocation.getCurrentPosition((found) => this.found(found), failed, options);
    }, STILL_MS);
  }

  stop() {
    if (this.watch !== undefined) navigator.geolocation.clearWatch(this.watch);
    clearInterval(this.still);
    this.watch = undefined;
    this.unsent = [];
    this.last = null;
    this.foundAt = undefined;
    // The first fix of the next shift goes out at once, however soon that begins.
    this.sentAt = undefined;
    this.tell('off');
  }

  found({ coords, timestamp }) {
    this.foundAt = performance.now();
    this.last = { latitude: coords.latitude, longitude: coords.longitude };
    this.speed_mps = Number.isFinite(coords.speed) ? coords.speed : null;
    this.tell('fresh', coords.accuracy);
    if (Date.now() - (this.sentAt ?? 0) < EVERY_MS) return;
    this.sentAt = Date.now();
    const fix = { latitude: coords.latitude, longitude: coords.longitude, taken_ms: timestamp };
    for (const [name, value] of [['accuracy_m', coords.accuracy], ['heading_deg', coords.heading], ['speed_mps', coords.speed]]) {
      if (Number.isFinite(value)) fix[name] = value;
    }
    void this.send(fix);
  }

  async send(fix) {
    const answer = this.unsent.length ? null : await this.link?.send('position', aged(fix));
    if (answer) {
      if (!answer.ok) this.tell('refused');
      return;
    }
    this.unsent = [...this.unsent, fix].slice(-KEPT);
    if (this.posting) return;
    this.posting = true;
    const batch = this.unsent;
    try {
      await this.api.post(this.path, { points: batch.map(aged) });
      this.unsent = this.unsent.filter((one) => !batch.includes(one));
    } catch {
      // Kept, and sent with the next one.
    } finally {
      this.posting = false;
    }
  }

  tell(state, accuracy_m = null) {
    this.state = state;
    this.onState(state, accuracy_m);
  }
}

// How old the fix is now, rather than when it was: a phone's clock may be wrong.
function aged({ taken_ms, ...fix }) {
  return { ...fix, fix_age_ms: Math.max(0, Math.round(Date.now() - taken_ms)) };
}
