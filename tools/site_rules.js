// SPDX-License-Identifier: Apache-2.0
// Leaves the rules that hold every word typed; the words stand in the address, so that a search can be linked.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("rules-words");
  if (!field) return;
  const rows = [...document.querySelectorAll("#rules tbody tr")];
  const told = document.getElementById("rules-found");
  const find = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
      found += !row.hidden;
    }
    told.textContent = `${found} of ${rows.length} rules`;
    const place = words.length ? `#q=${encodeURIComponent(field.value)}` : location.pathname;
    if (location.protocol !== "file:") history.replaceState(null, "", place);
  };
  field.addEventListener("input", find);
  field.addEventListener("keydown", (event) => {
    const first = rows.find((row) => !row.hidden);
    if (event.key === "Enter" && first) first.querySelector("a").click();
  });
  if (location.hash.startsWith("#q=")) field.value = decodeURIComponent(location.hash.slice(3));
  find();
});
