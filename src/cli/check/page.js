
"use strict";
const filter = document.getElementById("filter");
const states = Array.from(document.getElementsByName("state"));
const shown = document.getElementById("shown");
const rows = Array.from(document.querySelectorAll("#rows tbody tr"), row => [row, row.textContent.toLowerCase()]);
function apply() {
  const words = filter.value.toLowerCase().split(/\s+/);
  const wanted = new Set(states.filter(state => state.checked).map(state => state.value));
  let count = 0;
  for (const [row, text] of rows) {
    row.hidden = !(wanted.has(row.className) && words.every(word => text.includes(word)));
    if (!row.hidden) count += 1;
  }
  shown.textContent = count + " of " + rows.length + " shown";
}
filter.addEventListener("input", apply);
for (const state of states) state.addEventListener("change", apply);
apply();
