// The four checks of being on duty: link, push, sound, position. Each says what it is and, when it is not good, what to do.

import { ago, seconds, t } from '../words.js';

const FRESH_S = 60;

// `good` is null where there is nothing to be good or bad. `acts` are the buttons that mend it.
export function checksOf({ shift, link, push, sound, positions }) {
  return [linkCheck(link), pushCheck(push, shift), soundCheck(sound), positionCheck(positions, shift)];
}

function check(name, good, said, { todo = null, acts = [] } = {}) {
  return { name, good, said, todo, acts };
}

function linkCheck(kind) {
  if (kind === 'live' || kind === 'catching_up') return check('link', true, t('phone.link_good'));
  if (kind === 'polling') return check('link', false, t('phone.link_polling'), { todo: t('phone.link_polling_todo') });
  return check('link', false, t('phone.link_bad'), { todo: t('phone.link_todo') });
}

// Good means measured: a push that was asked for, came, and said so, since this shift began.
function pushCheck(push, shift) {
  const bad = (said, todo = null, acts = []) => check('push', false, t(`phone.push_${said}`), { todo: todo && t(`phone.push_${todo}_todo`), acts });
  const measured = push.measured(shift?.started_at ?? null);
  if (measured && shift) return check('push', true, t('phone.push_good', { time: seconds(measured.ms) }));
  if (push.isTesting) return check('push', null, t('phone.push_testing'));
  if (measured) return check('push', null, t('phone.push_before', { time: seconds(measured.ms), when: ago((Date.now() - Date.parse(measured.at)) / 1000) }));
  const elsewhere = shift && push.kind !== 'on' ? push.measuredElsewhere(shift.started_at) : null;
  if (elsewhere) return check('push', true, t('phone.push_other', { time: seconds(elsewhere.ms) }), { acts: ['off', 'failed'].includes(push.kind) ? ['push'] : [] });
  switch (push.kind) {
    case 'loading': case 'unknown': return check('push', null, t('phone.push_loading'));
    case 'absent': return push.channels.length ? bad('elsewhere', 'elsewhere') : check('push', null, t('phone.push_absent'), { todo: t('phone.push_absent_todo') });
    case 'home_screen': return bad('home_screen', 'home_screen');
    case 'unsupported': return bad('unsupported', 'unsupported');
    case 'denied': return bad('denied', 'denied');
    case 'failed': return bad('failed', 'failed', ['push']);
    case 'off': return bad('off', 'off', ['push']);
    default: return bad('untested', push.tests.size ? 'silent' : 'untested', ['test']);
  }
}

function soundCheck(state) {
  if (state === 'armed') return check('sound', true, t('phone.sound_good'));
  if (state === 'untested') return check('sound', false, t('phone.sound_untested'), { todo: t('phone.sound_todo'), acts: ['heard', 'sound'] });
  return check('sound', false, t('phone.sound_bad'), { todo: t('phone.sound_todo'), acts: ['sound'] });
}

function positionCheck({ state, age_s: age }, shift) {
  if (!shift && state === 'off') return check('position', null, t('phone.position_off'));
  if (state === 'fresh' && age <= FRESH_S) return check('position', true, t('phone.position_good'));
  if (state === 'fresh') return check('position', false, t('phone.position_old', { when: ago(age) }), { todo: t('phone.position_bad_todo') });
  if (state === 'denied' || state === 'missing') return check('position', false, t(`phone.position_${state}`), { todo: t(`phone.position_${state}_todo`) });
  return check('position', false, t('phone.position_bad'), { todo: t('phone.position_bad_todo') });
}
