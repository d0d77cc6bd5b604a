// The card with the guided questions: first all of them, then the one that is asked.

import { QUESTIONS } from "./questions.js";
import { unbroken } from "./texts.js";

export class QuestionCard {
  // begin: called with a question when it is asked
  constructor(card, begin) {
    Object.assign(this, { card, begin });
    this.tabs = QUESTIONS.map((question, i) => this.button(i, String(i + 1)));
    card.querySelector(".tabs").append(...this.tabs);
    for (const [i, question] of QUESTIONS.entries()) {
      const line = document.createElement("li");
      line.append(this.button(i, question.ask));
      card.querySelector("ol").append(line);
    }
  }

  button(i, text) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: text, title: QUESTIONS[i].ask, onclick: () => this.ask(i) });
    return button;
  }

  ask(i) {
    const question = QUESTIONS[i], find = (selector) => this.card.querySelector(selector);
    find("ol").hidden = true;
    find("h2").textContent = question.ask;
    find(".look").textContent = unbroken(question.look);
    find("details p").textContent = unbroken(question.answer);
    find("details").open = false;
    for (const name of [".look", "details"]) find(name).hidden = false;
    this.tabs.forEach((tab, k) => tab.setAttribute("aria-pressed", k === i));
    this.begin(question);
  }
}
