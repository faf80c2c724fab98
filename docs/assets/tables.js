// Where a table is wider than the box in which the theme lets it scroll, the keyboard reaches the box.

const sizes = new ResizeObserver((changes) => {
  for (const { target: box } of changes) {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  }
});

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) {
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Table");
    sizes.observe(box);
  }
});
