// Makes one tree like another with as few changes as possible: what stays keeps its focus, scroll place and open details.

const KEPT = new Set(["open", "hidden"]); // belong to the person or to a script, not to the server

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || null : null);
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function morphAttributes(before, after) {
  const kept = before.localName === "details" || before.matches("[role=alert]") ? KEPT : new Set();
  for (const { name } of [...before.attributes]) if (!after.hasAttribute(name) && !kept.has(name) && name !== "tabindex") before.removeAttribute(name);
  for (const { name, value } of after.attributes) if (before.getAttribute(name) !== value && name !== "tabindex") before.setAttribute(name, value);
}

// A field that somebody is in keeps what they typed; another one shows what the server says.
function morphField(before, after) {
  if (before === document.activeElement) return;
  if (before.type === "checkbox" || before.type === "radio") before.checked = after.hasAttribute("checked");
  else if (before.localName === "input" && before.value !== (after.getAttribute("value") ?? "")) before.value = after.getAttribute("value") ?? "";
}

export function morphChildren(before, after) {
  const keyed = new Map();
  for (const child of before.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let place = before.firstChild;
  for (const wanted of [...after.childNodes]) {
    const key = keyOf(wanted);
    let found = key ? keyed.get(key) : null;
    if (!found && place && alike(place, wanted)) found = place;
    if (!found || !alike(found, wanted)) {
      before.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else before.insertBefore(found, place);
    morph(found, wanted);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

export function morph(before, after) {
  if (before.isEqualNode(after)) {
    if (before.nodeType === Node.ELEMENT_NODE) for (const field of before.querySelectorAll("input")) morphField(field, field);
    return;
  }
  if (before.nodeType !== Node.ELEMENT_NODE) {
    before.nodeValue = after.nodeValue;
    return;
  }
  morphAttributes(before, after);
  if (before.matches("input, textarea")) morphField(before, after);
  else if (before.localName === "select" && before === document.activeElement) return;
  else morphChildren(before, after);
}
