// The alert button: hold it 1.2 s; or two taps; or Enter twice. Releasing too early sends nothing and says so.

const HOLD_MS = 1200;
const PATIENCE_MS = 3000;
const CONFIRM_MS = 8000;

export class HoldButton {
  // `onStart` when a finger goes down, `onSend` when the alert must go, `onShort` when it was let go too early.
  constructor({ button, confirm, isQuiet, onStart, onSend, onShort, onConfirming }) {
    Object.assign(this, { button, confirm, isQuiet, onStart, onSend, onShort, onConfirming });
    button.addEventListener('pointerdown', (event) => this.down(event));
    for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) button.addEventListener(end, () => this.up());
    button.addEventListener('contextmenu', (event) => event.preventDefault());
    // Keyboards, switches and screen readers press without a pointer: they get the two steps.
    button.addEventListener('click', (event) => { if (event.detail === 0) this.ask(); });
    confirm.addEventListener('click', () => { this.stopAsking(); this.onSend(); });
    // A phone that is snatched or goes dark while the button is held has been asked for help.
    window.addEventListener('pagehide', () => this.up());
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.up(); });
  }

  down(event) {
    if (event.button > 0 || this.startedAt) return;
    try { this.button.setPointerCapture(event.pointerId); } catch { /* The pointer has left already: up() follows. */ }
    this.startedAt = performance.now();
    this.button.dataset.state = 'holding';
    this.onStart();
    this.ready = setTimeout(() => {
      this.button.dataset.state = 'ready';
      if (!this.isQuiet()) navigator.vibrate?.([60, 40, 60]);
      this.late = setTimeout(() => this.up(), PATIENCE_MS);
    }, HOLD_MS);
  }

  up() {
    if (!this.startedAt) return;
    const held = performance.now() - this.startedAt;
    this.startedAt = null;
    clearTimeout(this.ready);
    clearTimeout(this.late);
    this.button.dataset.state = 'idle';
    if (held >= HOLD_MS) this.onSend();
    else this.onShort();
  }

  ask() {
    this.onStart();
    this.onConfirming(true);
    this.confirm.focus();
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.stopAsking(), CONFIRM_MS);
  }

  stopAsking() {
    clearTimeout(this.asking);
    this.onConfirming(false);
  }
}
