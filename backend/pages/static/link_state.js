// How the link's state is said and shown; losing it is announced once, not twice a second.

import { announce, byId, setText } from './dom.js';
import { lapse, t } from './words.js';

let before = null;

export function showLinkState({ kind, age_s }) {
  const node = byId('link-state');
  if (!node) return;
  const seconds = age_s < 10 ? age_s.toFixed(kind === 'live' ? 1 : 0) : lapse(age_s);
  setText(node, t(`link.${kind}`, { s: seconds }));
  if (node.dataset.kind !== kind) node.dataset.kind = kind;
  const banner = byId('stale-banner');
  if (banner) {
    banner.hidden = kind !== 'stale';
    if (kind === 'stale') setText(banner, t('link.stale_banner', { s: seconds }));
  }
  if (before !== kind && (kind === 'stale' || before === 'stale')) announce(t(`link.${kind}_said`));
  before = kind;
}
