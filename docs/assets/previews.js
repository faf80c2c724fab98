// Shows the equation of a reference beside it: under the pointer, at the focus of the keyboard, or after a first tap.
// Escape closes it. The equation comes from its page, which the build has drawn; without this, a reference is a link.

const BEFORE = 120; // milliseconds until it opens, so that a pointer may cross a reference
const AFTER = 300; // and until it closes, so that a pointer may go over to it
const GAP = 6; // pixels

/** @type {Map<string, Promise<Document>>} */
const pages = new Map();
const preview = document.createElement("div");
preview.id = "equation-preview";
preview.popover = "manual";
preview.setAttribute("role", "group");

/** @type {HTMLAnchorElement | null} */
let shown = null; // the reference whose equation is shown or on its way
let timer = 0;
let touched = false;

/** @param {URL} url */
function pageAt(url) {
  const address = url.origin + url.pathname;
  if (address === location.origin + location.pathname) return Promise.resolve(document);
  const page =
    pages.get(address) ??
    fetch(address).then(async (response) => new DOMParser().parseFromString(await response.text(), "text/html"));
  pages.set(address, page);
  page.catch(() => pages.delete(address));
  return page;
}

/**
 * @param {EventTarget | null} target
 * @returns {HTMLAnchorElement | null}
 */
function referenceAt(target) {
  return target instanceof Element ? target.closest("a.equation-reference") : null;
}

/** @param {EventTarget | null} target */
function isInside(target) {
  return target instanceof Node && preview.contains(target);
}

/** @param {HTMLAnchorElement} reference */
async function show(reference) {
  if (reference === shown) return;
  hide();
  shown = reference;
  const url = new URL(reference.href);
  const page = await pageAt(url).catch(() => null);
  const formula = page?.getElementById(decodeURIComponent(url.hash.slice(1)))?.querySelector(".formula");
  if (shown !== reference || !formula) return;
  const number = document.createElement("a");
  number.href = reference.href;
  number.textContent = reference.textContent;
  preview.replaceChildren(document.importNode(formula, true), number);
  preview.setAttribute("aria-label", formula.getAttribute("aria-label") ?? "Equation");
  reference.after(preview); // where the keyboard goes next
  reference.setAttribute("aria-details", preview.id);
  preview.showPopover();
  place(reference);
}

/** @param {HTMLAnchorElement} reference */
function place(reference) {
  const { left, top, bottom } = reference.getBoundingClientRect();
  const { width, height } = preview.getBoundingClientRect();
  const fits = bottom + GAP + height <= innerHeight || top - GAP - height < 0;
  preview.style.left = `${scrollX + Math.max(GAP, Math.min(left, document.documentElement.clientWidth - width - GAP))}px`;
  preview.style.top = `${scrollY + (fits ? bottom + GAP : top - GAP - height)}px`;
}

function hide() {
  clearTimeout(timer);
  if (isInside(document.activeElement)) shown?.focus(); // while it is shown still: this must not open it again
  shown?.removeAttribute("aria-details");
  shown = null;
  preview.remove();
}

document.addEventListener("pointerover", ({ target, pointerType }) => {
  if (pointerType !== "mouse") return;
  const reference = referenceAt(target);
  clearTimeout(timer);
  if (reference) timer = setTimeout(show, BEFORE, reference);
  else if (shown && !isInside(target) && !isInside(document.activeElement)) timer = setTimeout(hide, AFTER);
});

document.addEventListener("pointerdown", ({ target, pointerType }) => {
  touched = pointerType === "touch";
  if (shown && !isInside(target) && referenceAt(target) !== shown) hide();
});

document.addEventListener("click", (event) => {
  const reference = referenceAt(event.target);
  if (!touched || !event.detail || !reference || reference === shown) return;
  event.preventDefault();
  void show(reference);
});

document.addEventListener("focusin", ({ target }) => {
  const reference = referenceAt(target);
  if (reference?.matches(":focus-visible")) void show(reference);
  else if (shown && !isInside(target)) hide();
});

document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && shown) hide();
});
