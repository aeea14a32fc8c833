// Sign-in of agents and operators: one form, the token kept for this tab (push/kept.js has a copy where pushes are on).

import { Api } from './api.js';
import { byId, setText, show } from './dom.js';
import { forget, read, write } from './storage.js';
import { t } from './words.js';

const KEY = 'vigie.staff';

export function staffToken() {
  return read(KEY, 'session')?.access_token ?? null;
}

export function keepStaffToken(token) {
  write(KEY, { access_token: token }, 'session');
}

export function signOutHere() {
  forget(KEY, 'session');
}

// Shows the form until somebody of one of `roles` has signed in; resolves with their account.
// `onGesture` runs inside the click that submits: the only moment at which a browser lets sound begin.
export function signIn({ roles, onGesture = () => {}, notice = '' }) {
  const form = byId('signin-form');
  const message = byId('signin-message');
  const button = byId('signin-button');
  show(byId('signin'), true);
  show(byId('work'), false);
  setText(message, notice);
  const api = new Api({ token: () => null });
  byId('signin-login').focus();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      onGesture();
      button.disabled = true;
      setText(message, t('signin.trying'));
      try {
        const session = await api.post('/v1/sessions', {
          login: byId('signin-login').value.trim(),
          password: byId('signin-password').value,
        });
        if (!roles.includes(session.staff.role)) {
          setText(message, t('signin.wrong_role'));
          return;
        }
        keepStaffToken(session.access_token);
        byId('signin-password').value = '';
        setText(message, '');
        show(byId('signin'), false);
        show(byId('work'), true);
        resolve(session.staff);
      } catch (problem) {
        setText(message, problem.retryAfterS ? t('signin.wait', { s: problem.retryAfterS }) : problem.detail);
        byId('signin-password').select();
      } finally {
        button.disabled = false;
      }
    };
  });
}

export async function signOut(api) {
  try {
    await api.delete('/v1/sessions/current');
  } catch {
    // The token is forgotten here in any case; the server ends it by itself later.
  }
  signOutHere();
  window.location.reload();
}
