// Read by MathJax before it starts: no menu, no speech engine, so nothing is asked of a network.
window.MathJax = {
  tex: { inlineMath: [["$", "$"], ["\\(", "\\)"]], displayMath: [["$$", "$$"], ["\\[", "\\]"]] },
  options: {
    enableMenu: false,
    ignoreHtmlClass: "code|text|explorer|error",
    menuOptions: { settings: { assistiveMml: true } },
  },
  svg: { fontCache: "local" },
  startup: { typeset: false },
};
