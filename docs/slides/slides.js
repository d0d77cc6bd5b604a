// Arrows, space and page keys move by one slide. N shows the notes. The address holds the slide, so a reload stays there.
const slides = [...document.querySelectorAll("section")];
const current = () => {
  const middle = window.innerHeight / 2;
  return Math.max(0, slides.findIndex((s) => s.getBoundingClientRect().bottom > middle));
};
const show = (i) => {
  const target = slides[Math.min(Math.max(i, 0), slides.length - 1)];
  target.scrollIntoView();
  history.replaceState(null, "", "#" + target.id);
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  if (event.key in steps) show(current() + steps[event.key]);
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else if (event.key.toLowerCase() === "n") document.body.classList.toggle("notes");
  else return;
  event.preventDefault();
});
