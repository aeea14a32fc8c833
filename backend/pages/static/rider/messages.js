// The conversation with the control room, as the rider sees it.

import { el, typed } from '../dom.js';
import { t, timeOfDay } from '../words.js';

export function messagesNodes(messages) {
  if (!messages.length) return el('p', { class: 'quiet' }, t('messages.write_to_us'));
  return el('ol', { class: 'messages' }, messages.map(({ author, text, sent_at: sentAt }) => el('li', { class: author === 'rider' ? 'ours' : 'theirs' },
    el('p', { class: 'quiet' }, author === 'rider' ? t('messages.you') : t('messages.control_room'), ' · ', sentAt ? timeOfDay(sentAt) : t('messages.unsent')),
    el('p', {}, typed(text)))));
}
