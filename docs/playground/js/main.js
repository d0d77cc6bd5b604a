// The page: makes the parts and connects them.

import { decode, makeTruth } from "./data.js";
import { Controls } from "./controls.js";
import { Frontier } from "./frontier.js";
import { MeterTable, inWords, percent } from "./meters.js";
import { Player } from "./player.js";
import { Pool } from "./pool.js";
import { QuestionCard } from "./ask.js";
import { QUESTIONS } from "./questions.js";
import { DEFAULTS, RULES, METHODS, VIEWS, python, readAddress, sameRun, title, writeAddress } from "./settings.js";
import { copy, linkTo, save, table } from "./share.js";
import { ABOUT, legend, pointed, timing } from "./texts.js";
import { View } from "./view.js";

const WORKERS = Math.max(1, Math.min(navigator.hardwareConcurrency || 2, 8));
const REST = 200; // milliseconds without a change after which a run begins

const get = (id) => document.getElementById(id);
const data = JSON.parse(get("data").textContent);
const truth = makeTruth(data);
const world = { truth, leaves: data.leaves, start: decode(data.start, Float32Array) };
const quiet = matchMedia("(prefers-reduced-motion: reduce)");
const still = () => quiet.matches;

let settings = { ...DEFAULTS };
let problems = [];
let timer = 0;

RULES.seed.values = Object.keys(data.models).map(Number);
fillIn("seed", RULES.seed.values);
fillIn("n", RULES.n.values);
fillIn("steps", RULES.steps.values);
fillIn("view", RULES.view.values, (value) => VIEWS[value]);

const pool = startPool();
const player = new Player(pool, world, still, {
  changed: show,
  prepare: (i) => view.prepare(settings, player.run.sigmas[i]),
  finished,
  previewed(ends) {
    view.preview = ends;
    show();
  },
});
const view = new View([get("plain"), get("guided")], data, world, player, pool, still, (what) => {
  get("legend").innerHTML = pointed(settings, what) ?? legend(settings);
});
const table4 = new MeterTable(get("meters"));
const frontier = new Frontier(get("frontier"), get("shapes"), get("dot"), (chosen) => set({ ...chosen }));
const controls = new Controls(get("controls"), (key, value, live) => {
  settings = { ...settings, [key]: value };
  if (live && key !== "seed") player.preview(settings);
  apply(live ? "wait" : "");
});

// Takes over settings, shows them, and begins a run if the samples depend on what changed.
function set(changes, stop = 0) {
  settings = { ...settings, ...changes };
  apply("now", stop);
}

function apply(when, stop = 0) {
  controls.show(settings);
  view.settings = settings;
  get("guided-title").textContent = title(settings);
  get("guided").setAttribute("aria-label", `Samples: ${title(settings)}`);
  document.body.dataset.method = settings.method;
  get("about").textContent = ABOUT[settings.method];
  get("python").textContent = python(settings, data.start_module);
  clearTimeout(timer);
  if (when !== "wait") writeHash();
  const same = player.run && !player.interrupted && sameRun(settings, player.run.settings);
  if (same && !stop && !view.preview) return show();
  if (when === "wait") return;
  const begin = () => {
    view.preview = null;
    player.restart({ ...settings }, stop);
  };
  if (when === "now") begin();
  else timer = setTimeout(begin, REST);
}

function finished(run) {
  frontier.add(run);
  const [plain, guided] = [run.plain, run.guided].map((path) => inWords(path.meters.at(-1)));
  get("spoken").textContent = `Finished. ${title(run.settings)}: ${guided}. No guidance: ${plain}.`;
  get("time").textContent = timing(run, WORKERS);
}

// Shows the player's state on everything but the form.
function show() {
  const { run, shown } = player;
  if (!run) return;
  const steps = run.settings.steps, floor = data.floors[run.settings.n];
  const at = get("at");
  at.max = steps;
  at.value = shown;
  at.style.setProperty("--done", run.computed / steps);
  at.setAttribute("aria-valuetext", `step ${shown} of ${steps}, σ = ${level(player.sigma)}`);
  get("where").innerHTML = view.preview
    ? "σ = 0 <small>preview, 256 points</small>"
    : player.busy
      ? "computing …"
      : `σ = ${level(player.sigma)} <small>step ${shown} of ${steps}</small>`;
  get("play").classList.toggle("playing", player.playing);
  get("play").lastElementChild.textContent = player.playing ? "Pause" : "Play";
  get("step").disabled = player.atEnd;
  const known = !view.preview && (run.plain.meters[shown] || run.done);
  const now = (path) => (known ? (path.meters[shown] ?? path.meters[steps]) : undefined);
  table4.show(now(run.plain), now(run.guided), floor);
  const end = player.atEnd || !run.plain.meters[shown];
  get("when").textContent = !known ? "from σ = 0.03 on" : end ? "at the end, σ = 0" : `at σ = ${level(player.sigma)}`;
  for (const [id, path] of [["plain-outliers", run.plain], ["guided-outliers", run.guided]])
    get(id).textContent = run.done && !view.preview ? `${percent(path.meters[steps].outliers)} outliers` : "";
  get("floor-note").textContent = `Floor: ${run.settings.n} true samples, on average.`;
  get("csv").disabled = !run.done;
  frontier.draw(run.settings, floor);
  if (frontier.at < 0) frontier.mark(-1);
  view.draw();
}

function level(sigma) {
  return sigma === 0 ? "0" : String(Number(sigma.toPrecision(2)));
}

function writeHash() {
  const address = writeAddress(settings);
  try {
    history.replaceState(null, "", "#" + address);
  } catch {
    return; // a page in a frame may be denied that
  }
}

function readHash() {
  // What hosts of frames add to the address (?_xsrf=...) is none of ours: the part before # counts only where none follows it.
  const found = readAddress(location.hash.slice(1) || location.search.slice(1));
  problems = found.problems;
  get("notices").replaceChildren();
  if (problems.length) notice(...problems);
  set(found.settings);
}

function notice(...texts) {
  const line = document.createElement("div");
  line.className = "notice";
  const list = document.createElement("ul");
  list.replaceChildren(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  line.append(list);
  const close = document.createElement("button");
  close.textContent = "×";
  close.className = "quiet";
  close.setAttribute("aria-label", "Dismiss");
  close.onclick = () => line.remove();
  line.append(close);
  get("notices").append(line);
}

function startPool() {
  try {
    const started = new Pool(get("worker").textContent, data, WORKERS);
    started.onError = (message) => notice(`The computation stopped: ${message}. Reloading the page may help.`);
    return started;
  } catch (error) {
    notice(`This browser does not let the page compute in the background: ${error.message}`);
    throw error;
  }
}

function fillIn(key, values, name = String) {
  const select = document.querySelector(`select[data-setting="${key}"]`);
  select.replaceChildren(...values.map((value) => new Option(name(value), value)));
}

const questions = new QuestionCard(get("questions"), ({ set: changes, stop }) =>
  set({ ...DEFAULTS, view: settings.view, ...changes }, stop),
);
const replay = () => player.show(0).then(() => player.play());
const playOrPause = () => (player.playing ? player.pause() : player.play());
get("replay").onclick = replay;
get("play").onclick = playOrPause;
get("step").onclick = () => player.show(player.shown + 1);
get("at").oninput = (event) => player.show(Number(event.target.value));
get("clear").onclick = () => {
  frontier.clear();
  show();
};
get("csv").onclick = () => save(table(player.run, data.start_module), `playground-${player.run.settings.method}.csv`);
get("copy-python").onclick = () => tell(get("python").textContent);
get("copy-link").onclick = () => tell(linkTo(settings));
get("theme").onclick = () => {
  const themes = ["", "light", "dark"], root = document.documentElement;
  const next = themes[(themes.indexOf(root.dataset.theme ?? "") + 1) % themes.length];
  root.dataset.theme = next;
  get("theme").setAttribute("aria-label", `Colours: ${next || "as the system"}`);
  view.readColours();
  view.draw();
};
for (const [i, button] of document.querySelectorAll(".enlarge").entries())
  button.onclick = () => {
    const panels = document.querySelector(".panels");
    panels.dataset.only = panels.dataset.only === String(i) ? "" : i;
    for (const [k, b] of document.querySelectorAll(".enlarge").entries())
      b.setAttribute("aria-pressed", panels.dataset.only === String(k));
  };
async function tell(text) {
  const done = await copy(text);
  get("copied").textContent = done ? "Copied." : "This browser does not let the page copy: select the text below.";
}

addEventListener("keydown", (event) => {
  const { target } = event, typing = target.matches("input:not([type=checkbox]), select, summary, pre");
  if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
  if (event.key === " " && target.matches("button, input")) return;
  const act = {
    " ": playOrPause,
    ArrowRight: () => player.show(player.shown + 1),
    ArrowLeft: () => player.show(player.shown - 1),
    r: replay,
    p: () => set({ pull: 1 - settings.pull }),
  }[event.key];
  if (act) act();
  else if (QUESTIONS[Number(event.key) - 1]) questions.ask(Number(event.key) - 1);
  else return;
  event.preventDefault();
});
addEventListener("hashchange", readHash);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (view.readColours(), view.draw()));

// For teachers at the console, and for the tests.
window.playground = {
  get settings() { return { ...settings }; },
  get problems() { return [...problems]; },
  get run() { return player.run; },
  get shown() { return player.shown; },
  get done() { return Boolean(player.run?.done) && player.atEnd && sameRun(settings, player.run.settings); },
  python: (changes) => python({ ...DEFAULTS, ...changes }, data.start_module),
  floors: data.floors,
  methods: Object.keys(METHODS),
  questions: QUESTIONS,
  set,
};
readHash();
