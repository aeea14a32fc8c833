// Every text of the pages, in the reader's language, and how times and distances are said.

const LANGUAGES = ['fr', 'en'];
const listeners = new Set();
let texts = {};
let language = 'fr';

export async function loadWords() {
  await useLanguage(saved() ?? preferred());
}

export async function useLanguage(wanted) {
  const read = async (name) => (await fetch(new URL(`${name}.${wanted}.json`, import.meta.url))).json();
  texts = Object.assign({}, ...await Promise.all(document.documentElement.dataset.words.split(' ').map(read)));
  language = wanted;
  document.documentElement.lang = wanted;
  applyWords(document);
  for (const listener of listeners) listener();
}

export async function switchLanguage() {
  const next = LANGUAGES[(LANGUAGES.indexOf(language) + 1) % LANGUAGES.length];
  try { localStorage.setItem('vigie.language', next); } catch { /* The choice lasts until the page closes. */ }
  await useLanguage(next);
}

export function onLanguage(listener) {
  listeners.add(listener);
}

export function currentLanguage() {
  return language;
}

export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) {
    console.warn(`no text for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// The word for a code of the contract; a code that this page does not know yet is shown readable, not hidden.
export function word(group, code) {
  if (code === null || code === undefined) return '';
  return texts[`${group}.${code}`] ?? String(code).replaceAll('_', ' ');
}

// The same for a code that may stand in one of several groups.
export function wordIn(code, ...groups) {
  const group = groups.find((one) => `${one}.${code}` in texts) ?? groups[0];
  return word(group, code);
}

export function applyWords(root) {
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
  for (const node of root.querySelectorAll('[data-t-placeholder]')) node.placeholder = t(node.dataset.tPlaceholder);
}

export function timeOfDay(iso) {
  if (!iso) return '';
  return new Date(iso).toLocaleTimeString(language === 'fr' ? 'fr-FR' : 'en-GB', { hour12: false });
}

// A length of time as people watch it pass: 0:42, 12:05, 2 h 05.
export function lapse(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${String(whole % 60).padStart(2, '0')}`;
  if (minutes < 60 * 48) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')}`;
  return t('time.days', { n: Math.floor(minutes / 1440) });
}

// How old something is: "4 min ago".
export function ago(seconds) {
  if (seconds < 5) return t('time.just_now');
  if (seconds < 60) return t('time.seconds_ago', { n: Math.floor(seconds) });
  if (seconds < 3600) return t('time.minutes_ago', { n: Math.floor(seconds / 60) });
  return t('time.hours_ago', { n: Math.floor(seconds / 3600) });
}

// A round trip as people compare them: 0.8 s, 12 s.
export function seconds(milliseconds) {
  const text = milliseconds < 9950 ? (milliseconds / 1000).toFixed(1) : String(Math.round(milliseconds / 1000));
  return `${language === 'fr' ? text.replace('.', ',') : text} s`;
}

export function distance(metres) {
  if (metres === null || metres === undefined) return '';
  if (metres < 10) return '< 10 m';
  if (metres < 995) return `${Math.round(metres / 10) * 10} m`;
  const kilometres = (metres / 1000).toFixed(1);
  return `${language === 'fr' ? kilometres.replace('.', ',') : kilometres} km`;
}

function saved() {
  try {
    const value = localStorage.getItem('vigie.language');
    return LANGUAGES.includes(value) ? value : null;
  } catch {
    return null;
  }
}

function preferred() {
  for (const tag of navigator.languages ?? [navigator.language]) {
    const primary = tag.toLowerCase().split('-')[0];
    if (LANGUAGES.includes(primary)) return primary;
  }
  return 'fr';
}
