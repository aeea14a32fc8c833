// The alarm: tones made by WebAudio (no file), vibration, and the state of a browser that blocks sound.

const PATTERNS = {
  danger: [[880, 0, 0.16], [660, 0.2, 0.16], [880, 0.4, 0.16], [660, 0.6, 0.2]],
  offer: [[587, 0, 0.14], [784, 0.18, 0.14], [988, 0.36, 0.28]],
  test: [[660, 0, 0.18], [880, 0.22, 0.26]],
  lost: [[330, 0, 0.3], [247, 0.34, 0.4]],
  trouble: [[392, 0, 0.22], [392, 0.3, 0.22]],
};
const REPEAT_MS = 2200;

export class Alarm {
  // `onState` gets off (never tried), blocked (the browser refuses), untested (plays, nobody said they hear) or armed.
  constructor({ onState = () => {} } = {}) {
    this.onState = onState;
    this.heardByPerson = false;
  }

  get state() {
    if (!this.context) return 'off';
    if (this.context.state !== 'running') return 'blocked';
    return this.heardByPerson ? 'armed' : 'untested';
  }

  // Must be called while a click or a key press is being handled: browsers allow sound only then.
  async arm() {
    if (!this.context) {
      const Context = window.AudioContext ?? window.webkitAudioContext;
      if (!Context) return this.tell();
      this.context = new Context();
      this.context.addEventListener('statechange', () => this.tell());
    }
    // A blocked context leaves resume() pending for ever; the page must not wait for it.
    await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, 800))]);
    this.play('test');
    return this.tell();
  }

  confirmHeard() {
    this.heardByPerson = true;
    this.tell();
  }

  tell() {
    this.onState(this.state);
  }

  play(name) {
    if (this.context?.state !== 'running') return false;
    const begin = this.context.currentTime + 0.02;
    for (const [frequency, at, length] of PATTERNS[name]) {
      const tone = this.context.createOscillator();
      const volume = this.context.createGain();
      tone.type = 'triangle';
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0.0001, begin + at);
      volume.gain.exponentialRampToValueAtTime(0.5, begin + at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, begin + at + length);
      tone.connect(volume).connect(this.context.destination);
      tone.start(begin + at);
      tone.stop(begin + at + length + 0.02);
    }
    return true;
  }

  // Rings until stopped; ringing twice is ringing once.
  ring(name, { vibrate = false } = {}) {
    if (this.ringing === name) return;
    this.silence();
    this.ringing = name;
    const once = () => {
      this.play(name);
      if (vibrate) navigator.vibrate?.([200, 100, 200, 100, 400]);
    };
    once();
    this.repeating = setInterval(once, REPEAT_MS);
  }

  silence() {
    if (!this.ringing) return;
    this.ringing = null;
    clearInterval(this.repeating);
    navigator.vibrate?.(0);
  }
}
