// Elements without markup: every text goes in as text, so nothing that a log, a holder or a record
// is called can become a tag. There is no innerHTML in the console, and its policy forbids it.

const kSvg = 'http://www.w3.org/2000/svg';

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// h('a', {class: 'x', href: '#', onclick: f}, 'text', child …)
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

// The same for SVG.
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(kSvg, tag), props, children);
}

// Touches the document only when something changes, so that a screen reader hears changes only.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

// Makes the children of `parent` those of `items`, in order. What is there already stays the same
// element, so that focus, selection and open parts survive a refresh. `make(item)` returns an
// element; `update(element, item)` brings it up to date.
export function syncChildren(parent, items, keyOf, make, update) {
  const old = new Map();
  for (const child of [...parent.children]) {
    if (child.dataset.key === undefined) child.remove();
    else old.set(child.dataset.key, child);
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let element = old.get(key);
    if (element === undefined) {
      element = make(item);
      element.dataset.key = key;
    }
    old.delete(key);
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const gone of old.values()) gone.remove();
}

// What is shown where there is nothing yet: a sentence, and what to do.
export function emptyState(title, ...what) {
  return h('div', {class: 'empty'}, h('strong', {}, title), h('p', {}, ...what));
}
