// Elements without markup in strings: text from the server is never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes, listeners (onclick, ...) and children. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** As `h`, for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value);
  }
  return put(element, ...children);
}

/** Replaces what is in an element; null among the children stands for nothing. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A labelled field; `control` gets an id of its own. */
export function field(label, control, hint = null) {
  control.id ||= `field-${(field.count = (field.count ?? 0) + 1)}`;
  const parts = [h("label", { for: control.id }, label), control];
  if (hint !== null) {
    const text = h("small", { id: `${control.id}-hint` }, hint);
    control.setAttribute("aria-describedby", text.id);
    parts.push(text);
  }
  return h("div", { class: "field" }, parts);
}

/** A message that screen readers read out when it is put in place. */
export function notice(kind, ...children) {
  return h("p", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, children);
}

/** Runs `work` with the button out of use, and shows what went wrong in `place`. */
export function doing(button, place, work) {
  return async (event) => {
    event?.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    // Not `disabled`: that would take the keyboard's focus away.
    button.setAttribute("aria-disabled", "true");
    place.replaceChildren();
    try {
      await work(event);
    } catch (error) {
      place.replaceChildren(notice("bad", error.message));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };
}

/** Asks before something that cannot be taken back; true to go on. */
export function confirmed(question, yes) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "question", onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "question" }, question),
        h("div", { class: "buttons" },
          h("button", { value: "yes", class: "danger" }, yes),
          h("button", { value: "no", class: "quiet" }, "Go back")),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
