// Makes one tree like another with as few changes as possible: what stays keeps its focus, scroll place and open
// details, and a field somebody has changed keeps what they put in.

const OWN = new Set(["open", "hidden", "aria-current", "aria-expanded"]); // belong to the person or to a script, not to the server

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || null : null);
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
const isOwn = (element, name) =>
  name === "tabindex" || (OWN.has(name) && (element.localName === "details" || element.matches("[role=alert], [data-item], .tools")));

function morphAttributes(before, after) {
  for (const { name } of [...before.attributes]) if (!after.hasAttribute(name) && !isOwn(before, name)) before.removeAttribute(name);
  for (const { name, value } of after.attributes) if (before.getAttribute(name) !== value && !isOwn(before, name)) before.setAttribute(name, value);
}

const toldOption = (select) => select.querySelector("option[selected]") ?? select.options[0];

function isEdited(field) {
  if (field.localName === "select") return field.value !== toldOption(field)?.value;
  return field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

function showTold(field) {
  if (field.localName === "select") field.value = toldOption(field)?.value ?? "";
  else if (field.type === "checkbox" || field.type === "radio") field.checked = field.defaultChecked;
  else field.value = field.defaultValue;
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
  if (before.nodeType !== Node.ELEMENT_NODE) {
    if (before.nodeValue !== after.nodeValue) before.nodeValue = after.nodeValue;
    return;
  }
  const field = before.matches("input, select, textarea");
  const edited = field && isEdited(before);
  morphAttributes(before, after);
  if (!before.matches("input, textarea") && !before.isEqualNode(after)) morphChildren(before, after);
  if (field && !edited) showTold(before);
  else if (!field) for (const inner of before.querySelectorAll("input, select")) if (!isEdited(inner)) showTold(inner);
}
