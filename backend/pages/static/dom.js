// Building and updating page elements. Data only ever becomes text: nothing here parses HTML.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name === 'on') for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'value') node.value = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// What somebody typed, kept apart from the text around it: a right-to-left override must not turn the line.
export function typed(text, properties = {}) {
  return el('bdi', { dir: 'auto', class: 'typed', ...properties }, text);
}

export function byId(id) {
  return document.getElementById(id);
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

// Makes the children of `parent` be exactly `items`, in order, keeping the nodes of those already there.
// A rebuilt list would lose the focus of whoever works in it, and costs seconds with 2,000 alerts.
export function keyed(parent, items, keyOf, create, update) {
  const known = parent.keyedNodes ?? (parent.keyedNodes = new Map());
  const wanted = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let node = known.get(key);
    if (!node) {
      node = create(item);
      known.set(key, node);
    }
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else moveBefore(parent, node, at);
  }
  for (const [key, node] of known) {
    if (!wanted.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
}

function moveBefore(parent, node, before) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(node, before);
  if (focused) focused.focus({ preventScroll: true });
}

// Replaces the content of `node` only when what it shows has changed; focus returns to the same control.
export function refresh(node, shown, build) {
  const signature = JSON.stringify(shown);
  if (node.shownSignature === signature) return;
  node.shownSignature = signature;
  const focus = node.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  node.replaceChildren(...[build()].flat(Infinity).filter(Boolean));
  if (focus) node.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

// Says one sentence to a screen reader without moving anything; the same sentence again is said again.
export function announce(text) {
  const region = byId('announcements');
  if (!region) return;
  region.textContent = '';
  requestAnimationFrame(() => { region.textContent = text; });
}
