// The rider's position: read only from the moment of the alert until it ends.

const EVERY_MS = 5000;

export class Sharing {
  constructor({ onPoint, onState }) {
    Object.assign(this, { onPoint, onState });
    this.last = null;
    this.state = 'off';
  }

  start() {
    if (this.watch !== undefined) return;
    if (!navigator.geolocation) {
      this.tell('missing');
      return;
    }
    this.tell('searching');
    this.watch = navigator.geolocation.watchPosition(
      (found) => this.found(found),
      (failure) => this.tell(failure.code === failure.PERMISSION_DENIED ? 'denied' : 'searching'),
      { enableHighAccuracy: true, maximumAge: 15000, timeout: 20000 },
    );
  }

  stop() {
    if (this.watch !== undefined) navigator.geolocation.clearWatch(this.watch);
    this.watch = undefined;
    this.last = null;
    this.sentAt = 0;
    this.tell('off');
  }

  found({ coords, timestamp }) {
    this.last = { coords, timestamp };
    this.tell('sharing');
    if (Date.now() - (this.sentAt ?? 0) < EVERY_MS) return;
    this.sentAt = Date.now();
    this.onPoint(this.fix());
  }

  // The age instead of the time: the phone's clock may be wrong, its idea of "how long ago" hardly ever is.
  fix() {
    if (!this.last) return null;
    const { coords, timestamp } = this.last;
    const fix = { latitude: coords.latitude, longitude: coords.longitude, fix_age_ms: Math.max(0, Math.round(Date.now() - timestamp)) };
    if (Number.isFinite(coords.accuracy)) fix.accuracy_m = coords.accuracy;
    if (Number.isFinite(coords.heading)) fix.heading_deg = coords.heading;
    if (Number.isFinite(coords.speed)) fix.speed_mps = coords.speed;
    return fix;
  }

  // What an alert may carry: where it is, not where it is going.
  position() {
    const fix = this.fix();
    if (!fix) return null;
    const { latitude, longitude, fix_age_ms, accuracy_m } = fix;
    return { latitude, longitude, fix_age_ms, ...(accuracy_m === undefined ? {} : { accuracy_m, accuracy_confidence: 95 }) };
  }

  tell(state) {
    this.state = state;
    this.onState(state);
  }
}
