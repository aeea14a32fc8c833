// The forms of a case: assign, close, hand over, priority, reopen, message. They live as long as the case is open.

import { el } from '../dom.js';
import { uuid7 } from '../ids.js';
import { t, word } from '../words.js';

const CLOSING = ['intervention_done', 'victim_safe', 'perpetrator_gone', 'perpetrator_held', 'handed_over',
  'information_only', 'not_found', 'unfounded', 'false_alarm', 'duplicate', 'drill'];
const LEGAL = ['sexual_with_contact', 'sexual_without_contact', 'sexist_outrage', 'unknown_nature', 'not_applicable'];
const SERVICES = ['17', '15', '18', '112', '114', 'other'];

export function disclosure(name, key, ...content) {
  return el('details', { class: 'panel', data: { panel: name } },
    el('summary', {}, el('span', {}, t(`panel.${name}`)), key ? el('kbd', {}, key) : null), content);
}

export function closeForm({ act, version }) {
  const code = choice('close-code', 'closing_code', CLOSING, { empty: t('form.choose') });
  const legal = choice('close-legal', 'legal_class', LEGAL, { empty: t('form.none') });
  const note = el('textarea', { id: 'close-note', rows: 2, maxlength: 2000 });
  return form('action.close', async () => {
    const body = { closing_code: code.value };
    if (legal.value) body.legal_class = legal.value;
    if (note.value.trim()) body.note = note.value.trim();
    return act('close', body, { version: version(), done: 'said.closed' });
  }, field('form.closing_code', code, { required: true }), field('form.legal_class', legal), field('form.note', note));
}

export function handOverForm({ act }) {
  const to = choice('hand-to', 'service', SERVICES, { empty: t('form.choose') });
  const note = el('textarea', { id: 'hand-note', rows: 2, maxlength: 2000 });
  return form('action.hand_over', async () => {
    const body = { to: to.value };
    if (note.value.trim()) body.note = note.value.trim();
    return act('hand-over', body, { done: 'said.handed_over' });
  }, field('form.hand_to', to, { required: true }), field('form.note', note));
}

export function priorityForm({ act, priority }) {
  const level = choice('priority-level', 'priority', ['1', '2', '3', '4'], { value: String(priority) });
  const reason = el('input', { id: 'priority-reason', type: 'text', maxlength: 500, autocomplete: 'off' });
  return form('action.priority', () => act('priority', { priority: Number(level.value), reason: reason.value.trim() }, { done: 'said.priority' }),
    field('form.priority', level, { required: true }), field('form.reason', reason, { required: true }));
}

export function reopenForm({ act }) {
  const reason = el('input', { id: 'reopen-reason', type: 'text', maxlength: 500, autocomplete: 'off' });
  return form('action.reopen', () => act('reopen', { reason: reason.value.trim() }, { done: 'said.reopened' }),
    field('form.reason', reason, { required: true }));
}

export function messageForm({ act }) {
  const text = el('textarea', { id: 'message-text', rows: 2, maxlength: 2000 });
  let id = uuid7();
  return form('action.send', async () => {
    // The id stays until the server has it: pressing again after a failure must not write it twice.
    const sent = await act('messages', { id, text: text.value.trim() }, { done: 'said.message' });
    if (sent) {
      id = uuid7();
      text.value = '';
    }
    return sent;
  }, field('form.message', text, { required: true }));
}

function form(submit, send, ...fields) {
  const button = el('button', { type: 'submit' }, t(submit));
  return el('form', {
    class: 'case-form', novalidate: true, on: {
      submit: async (event) => {
        event.preventDefault();
        const missing = [...event.target.querySelectorAll('[required]')].find((input) => !input.value.trim());
        for (const input of event.target.querySelectorAll('[required]')) input.setAttribute('aria-invalid', String(input === missing));
        if (missing) {
          missing.focus();
          return;
        }
        button.disabled = true;
        try { await send(); } finally { button.disabled = false; }
      },
    },
  }, fields, button);
}

function field(label, input, { required = false } = {}) {
  if (required) input.setAttribute('required', '');
  return el('p', { class: 'field' }, el('label', { for: input.id }, t(label), required ? el('span', { class: 'quiet' }, ` (${t('form.required')})`) : null), input);
}

function choice(id, group, codes, { empty = null, value = '' } = {}) {
  const options = codes.map((code) => el('option', { value: code, selected: code === value }, word(group, code)));
  return el('select', { id }, empty === null ? null : el('option', { value: '' }, empty), options);
}
