// A quiz is a list of statements, and behind it a fold whose list says "True ..." or "False ..." of
// each. Here both get buttons; without this script the fold is the whole quiz.
for (const fold of document.querySelectorAll(".bd-article details")) {
  const statements = fold.previousElementSibling;
  const answers = [...fold.querySelectorAll(":scope > ol > li")];
  const truths = answers.map((one) => /^(True|False)\b/.exec(one.textContent.trim())?.[1]);
  if (statements?.tagName !== "OL" || !answers.length || truths.includes(undefined)) continue;
  if (answers.length !== statements.children.length) continue;

  const result = document.createElement("p");
  result.className = "quiz-result";
  result.setAttribute("role", "status");
  const firsts = new Map(); // statement -> whether the first click was right

  [...statements.children].forEach((statement, place) => {
    const choice = document.createElement("div");
    choice.className = "quiz-choice";
    choice.setAttribute("role", "group");
    choice.setAttribute("aria-label", `Statement ${place + 1}`);
    const said = document.createElement("p");
    said.className = "quiz-said";
    said.setAttribute("role", "status");
    for (const word of ["True", "False"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = word;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const right = word === truths[place];
        if (!firsts.has(statement)) firsts.set(statement, right);
        for (const one of choice.querySelectorAll("button")) {
          one.setAttribute("aria-pressed", String(one === button));
        }
        choice.dataset.right = right;
        said.replaceChildren(right ? "✓ Right. " : "✗ No. ");
        for (const node of answers[place].cloneNode(true).childNodes) {
          said.append(...(node.tagName === "P" ? node.childNodes : [node]));
        }
        if (firsts.size === answers.length) {
          const count = [...firsts.values()].filter(Boolean).length;
          result.textContent = `${count} of ${answers.length} right at the first click.`;
        }
      });
      choice.append(button);
    }
    choice.append(said);
    statement.append(choice);
  });
  statements.classList.add("quiz");
  fold.before(result);
}
