// The page where a visitor says who they are; with an invitation in the address, the form that takes it up.

import { takeInvitation } from './invitation.js';
import { startSwitches } from './theme.js';
import { loadWords } from './words.js';

// Before anything else may fail or wait: the invitation must not stay in the address bar or in the history.
const invitation = new URLSearchParams(window.location.hash.slice(1)).get('invitation');
if (invitation) window.history.replaceState(null, '', window.location.pathname);

await loadWords();
startSwitches();
if (invitation) takeInvitation(invitation);
