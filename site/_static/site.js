// Frames of explorers follow the page's light or dark, not only the system's.
const follow = () => {
  const scheme = document.documentElement.dataset.theme === "dark" ? "dark" : "light";
  for (const frame of document.querySelectorAll("iframe[srcdoc]")) frame.style.colorScheme = scheme;
};
follow();
new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["data-theme"] });

// Boxes of code and tables that scroll can be scrolled by keys.
const reach = () => {
  for (const box of document.querySelectorAll("div.highlight pre, .bd-article table, .output pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
reach();
addEventListener("resize", reach);
