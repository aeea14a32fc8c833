// PINs, silent mode, leaving quickly and forgetting this phone.

import { byId, setText, show } from '../dom.js';
import { forget, read, write } from '../storage.js';
import { onLanguage, t } from '../words.js';
import { api, ensureDevice, forgetDevice } from './device.js';

// An ordinary page to land on; the way back does not lead here.
const ELSEWHERE = 'https://meteofrance.com/';

export function isQuiet() {
  return read('vigie.quiet') === true;
}

export function hasPins() {
  return read('vigie.rider.pins') === true;
}

export function startQuiet() {
  const box = byId('quiet');
  const apply = () => {
    document.documentElement.dataset.quiet = String(box.checked);
    document.title = box.checked ? t('rider.neutral_title') : `${t('rider.title')} · Vigie`;
  };
  box.checked = isQuiet();
  box.addEventListener('change', () => {
    write('vigie.quiet', box.checked);
    apply();
  });
  onLanguage(apply);
  apply();
}

export function leaveNow() {
  document.title = t('rider.neutral_title');
  document.body.replaceChildren();
  window.location.replace(ELSEWHERE);
}

export function startExit() {
  byId('exit').addEventListener('click', leaveNow);
  let presses = 0;
  document.addEventListener('keyup', (event) => {
    presses = event.key === 'Shift' ? presses + 1 : 0;
    if (presses === 3) leaveNow();
  });
}

// `onForget()` runs before this phone's identity is forgotten.
export function startPins({ onForget }) {
  const said = byId('pins-message');
  const current = byId('current-pin');
  const draw = () => {
    show(byId('current-ask'), hasPins());
    // Once there are PINs, whoever forces a rider to change them would read here what to beware of.
    show(byId('duress-said'), !hasPins());
    setText(byId('pins-save'), t(hasPins() ? 'pins.change' : 'pins.save'));
  };
  onLanguage(draw);
  draw();
  byId('pins-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const pin = byId('pin').value;
    const duress = byId('duress-pin').value;
    if (hasPins() && !current.value) {
      current.focus();
      return setText(said, t('pins.current_needed'));
    }
    if (!/^\d{4,8}$/.test(pin) || !/^\d{4,8}$/.test(duress)) return setText(said, t('pins.digits'));
    if (pin === duress) return setText(said, t('pins.different'));
    setText(said, t('pins.saving'));
    try {
      await ensureDevice();
      await api.put('/v1/devices/me/pins', { pin, duress_pin: duress, ...(hasPins() ? { current_pin: current.value } : {}) });
      write('vigie.rider.pins', true);
      event.target.reset();
      draw();
      return setText(said, t('pins.saved'));
    } catch (problem) {
      setText(said, problem.detail);
      if (!['pin_needed', 'pin_wrong', 'pin_delayed'].includes(problem.code)) return undefined;
      // Also where this page did not know: the answer to the first PINs was lost on its way.
      write('vigie.rider.pins', true);
      draw();
      current.value = '';
      return current.focus();
    }
  });
  byId('forget').addEventListener('click', async () => {
    try {
      await onForget();
      await forgetDevice();
      forget('vigie.numbers');
      draw();
      setText(said, t('pins.forgotten'));
    } catch (problem) {
      setText(said, problem.detail);
    }
  });
}
