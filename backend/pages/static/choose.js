// The page where a visitor says who they are.

import { startSwitches } from './theme.js';
import { loadWords } from './words.js';

await loadWords();
startSwitches();
