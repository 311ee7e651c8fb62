// What the theme calls by another name than it shows, or does not name at all.
for (const button of document.querySelectorAll("button.search-button-field")) {
  button.removeAttribute("aria-label");
}
for (const summary of document.querySelectorAll("summary")) {
  if (summary.textContent.trim()) summary.removeAttribute("aria-label");
  else summary.setAttribute("aria-label", "Pages of this part");
}

// Boxes of code and tables that scroll can be scrolled by keys.
const reach = () => {
  for (const box of document.querySelectorAll("div.highlight pre, .bd-article table, .output pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
reach();
addEventListener("resize", reach);

// The theme binds the first button of each side bar alone, which is in the hidden header: the
// buttons that are seen press that one.
for (const kind of ["primary-toggle", "secondary-toggle"]) {
  const [first, ...seen] = document.querySelectorAll(`.${kind}`);
  for (const button of seen) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      first.click();
    });
  }
}
