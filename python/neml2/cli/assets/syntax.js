"use strict";
// Filters the cards by every word typed: in names, options, prose and equations.
const search = document.getElementById("search");
const cards = [...document.querySelectorAll("article")].map((card) => ({
  card,
  link: document.querySelector(`nav a[href="#${CSS.escape(card.id)}"]`),
  text: card.dataset.text.toLowerCase(),
}));

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { card, link, text } of cards) {
    const found = words.every((word) => text.includes(word));
    card.hidden = !found;
    if (link) link.hidden = !found;
    shown += found;
  }
  for (const group of document.querySelectorAll("section")) group.hidden = !group.querySelector("article:not([hidden])");
  for (const group of document.querySelectorAll("nav div")) group.hidden = !group.querySelector("a:not([hidden])");
  document.getElementById("count").textContent = shown === cards.length ? `${shown} types` : `${shown} of ${cards.length}`;
  document.getElementById("nothing").hidden = shown > 0;
}

function reveal() {
  const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!card) return;
  if (card.hidden || card.closest("[hidden]")) {
    search.value = "";
    filter();
  }
  card.scrollIntoView();
}

search.addEventListener("input", () => {
  filter();
  scrollTo(0, 0);
});
addEventListener("hashchange", reveal);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && document.activeElement === search) {
    search.value = "";
    filter();
  } else if (event.key === "Enter" && document.activeElement === search) {
    const first = cards.find(({ card }) => !card.hidden);
    if (first) location.hash = first.card.id;
  }
});
filter(); // a reloaded page keeps what was typed
reveal();
