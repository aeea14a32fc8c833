// Taking up an invitation: a login, a name, a password, and one is signed in.

import { Api } from './api.js';
import { byId, setText, show } from './dom.js';
import { keepStaffToken } from './signin.js';
import { t } from './words.js';

const PAGES = { agent: '/agent', driver: '/driver' };

export function takeInvitation(invitation) {
  const api = new Api({ token: () => null });
  const form = byId('invitation-form');
  const message = byId('invitation-message');
  const button = byId('invitation-button');
  show(byId('main'), false);
  show(byId('invitation'), true);
  byId('invitation-login').focus();
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const [login, name, password] = ['login', 'name', 'password'].map((field) => byId(`invitation-${field}`));
    const empty = [login, name, password].find((input) => !input.value.trim());
    for (const input of [login, name, password]) input.setAttribute('aria-invalid', String(input === empty));
    if (empty) {
      setText(message, t('invitation.missing'));
      empty.focus();
      return;
    }
    button.disabled = true;
    setText(message, t('signin.trying'));
    try {
      const session = await api.post('/v1/invitations/accept', {
        invitation, login: login.value.trim(), display_name: name.value.trim(), password: password.value,
      });
      keepStaffToken(session.access_token);
      window.location.replace(PAGES[session.staff.role] ?? '/control');
    } catch (problem) {
      setText(message, problem.retryAfterS ? t('signin.wait', { s: problem.retryAfterS }) : problem.detail);
      button.disabled = false;
    }
  });
}
