"use strict";
(() => {
  const study = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);

  // What a rater has answered: kept by the browser where it can be, so that the page can be left.

  let state;
  const screens = () => study.raters[state.rater - 1];
  const place = () => state.answers.length / study.questions.length;
  const kept = (rater) => `study ${study.study} ${rater}`;

  function save() {
    try {
      localStorage.setItem(kept(state.rater), JSON.stringify(state));
      return true;
    } catch {
      return false;
    }
  }

  function load(rater) {
    state = { rater, started: new Date().toISOString(), finished: null, answers: [] };
    try {
      const before = JSON.parse(localStorage.getItem(kept(rater)));
      const fits = ({ screen, question }, index) =>
        screen === Math.floor(index / study.questions.length) &&
        question === study.questions[index % study.questions.length].name;
      if (before.answers.length % study.questions.length === 0 && before.answers.every(fits)) state = before;
    } catch {
      // nothing was kept, or nothing that can be used
    }
  }

  function show(id) {
    for (const part of ["start", "screen", "end"]) at(part).hidden = part !== id;
    scrollTo(0, 0);
  }

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  // The start: who is it?

  function start() {
    const given = new URLSearchParams(location.search).get("rater");
    state = { rater: 0 };
    at("unkept").hidden = save();
    at("rater").value = given ?? "";
    at("number").hidden = at("rater").checkValidity();
    at("enter").addEventListener("submit", (event) => {
      event.preventDefault();
      load(at("rater").valueAsNumber);
      next();
    });
    show("start");
  }

  // A screen: videos that play in step, and questions that open once all have ended.

  let unseen, shown, current, chosen, seconds;

  const media = ({ videos }) => {
    const shown = study.cases[videos[0]];
    return { picture: `media/${shown}.png`, videos: [shown, ...videos].map((id) => `media/${id}.mp4`) };
  };

  function next() {
    if (place() === screens().length) return end();
    const screen = screens()[place()];
    const { picture, videos } = media(screen);
    const captions = ["Driving video", ...(videos.length === 2 ? ["Result"] : ["Left result", "Right result"])];
    const players = videos.map((src) => player(src));
    at("media").replaceChildren(
      figure("Character", make("img", { src: picture })),
      ...players.map((each, index) => figure(captions[index], each)),
    );
    unseen = new Set(players);
    shown = performance.now();
    chosen = study.questions.map(() => null);
    seconds = study.questions.map(() => null);
    at("questions").replaceChildren(...study.questions.map((question, index) => ask(question, index, screen.told)));
    point(0);
    at("place").textContent = `${place() + 1} of ${screens().length}`;
    at("progress").value = place() / screens().length;
    at("next").disabled = true;
    show("screen");
    at("place").focus();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      say("Press Play, watch to the end, then answer.");
    } else {
      say("Watch to the end, then answer.");
      Promise.all(players.map(ready)).then(play);
    }
    preload(screens()[place() + 1]);
  }

  function figure(caption, element) {
    element.setAttribute(element.tagName === "IMG" ? "alt" : "aria-label", caption);
    return make("figure", {}, element, make("figcaption", { textContent: caption }));
  }

  function player(src) {
    const element = make("video", { src, muted: true, playsInline: true, preload: "auto" });
    element.addEventListener("ended", () => {
      unseen.delete(element);
      if (unseen.size === 0 && questions()[0].disabled) open();
    });
    element.addEventListener("error", () =>
      say("A video cannot be played. Is the folder “media” beside this page? If so, please try another browser."),
    );
    return element;
  }

  const ready = (element) =>
    element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA ||
    new Promise((resolve) => element.addEventListener("canplay", resolve, { once: true }));

  function play() {
    for (const element of at("media").querySelectorAll("video")) {
      element.currentTime = 0;
      element.play().catch(({ name }) => name === "NotAllowedError" && say("Press Play, watch to the end, then answer."));
    }
  }

  function preload(screen) {
    if (!screen) return;
    const { picture, videos } = media(screen);
    make("img", { src: picture });
    for (const src of videos) make("video", { src, muted: true, preload: "auto" });
  }

  const say = (text) => (at("note").textContent = text);

  // Its questions.

  const questions = () => [...at("questions").children];

  function ask(question, index, told) {
    const label = (value) => study.choices.find((choice) => choice.value === value).label;
    const legend = told ? `Please answer “${label(told[question.name])}” here, whatever you see.` : question.text;
    const choices = study.choices.map((choice, value) => {
      const radio = make("input", { type: "radio", name: `question ${index}` });
      radio.addEventListener("change", () => choose(index, value));
      radio.addEventListener("focus", () => point(index));
      return make("label", {}, radio, make("span", { textContent: choice.label }));
    });
    return make(
      "fieldset",
      { disabled: true },
      make("legend", { textContent: legend }),
      make("div", { className: "choices" }, ...choices),
    );
  }

  function open() {
    for (const part of questions()) part.disabled = false;
    say(study.hint);
  }

  function point(index) {
    current = index;
    questions().forEach((part, other) => part.classList.toggle("current", other === index));
  }

  function choose(index, value) {
    questions()[index].querySelectorAll("input")[value].checked = true;
    chosen[index] = value;
    seconds[index] = Math.round(performance.now() - shown) / 1000;
    at("next").disabled = chosen.includes(null);
  }

  function go(index) {
    const part = questions()[Math.min(Math.max(index, 0), chosen.length - 1)];
    (part.querySelector("input:checked") ?? part.querySelector("input")).focus();
  }

  function pressed(event) {
    const [count, button] = [study.choices.length, event.target.tagName === "BUTTON"];
    if (at("screen").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "r") return play();
    if (questions()[0].disabled || (event.key === "Enter" && button)) return;
    const digit = /^\d$/.test(event.key) ? (Number(event.key) + 9) % 10 : count;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Enter") {
      submit();
    } else if (digit < count) {
      choose(current, digit);
      go(chosen.includes(null) ? chosen.indexOf(null) : current);
    } else if (step) {
      choose(current, Math.min(Math.max((chosen[current] ?? Math.floor(count / 2)) + step, 0), count - 1));
      go(current);
    } else if (turn) {
      go(current + turn);
    } else {
      return;
    }
    event.preventDefault();
  }

  function submit() {
    if (chosen.includes(null)) return;
    const screen = place();
    study.questions.forEach((question, index) =>
      state.answers.push({
        screen,
        videos: screens()[screen].videos,
        question: question.name,
        value: study.choices[chosen[index]].value,
        seconds: seconds[index],
      }),
    );
    save();
    next();
  }

  // The end: a file for the researcher.

  function end() {
    const fresh = state.finished === null;
    state.finished ??= new Date().toISOString();
    save();
    const { rater, started, finished, answers } = state;
    const response = { schema: study.schema, study: study.study, name: study.name, rater, started, finished, answers };
    at("response").value = `${JSON.stringify(response, null, 1)}\n`;
    at("file").textContent = `${study.name}-rater-${String(rater).padStart(2, "0")}.json`;
    show("end");
    at("thanks").focus();
    if (fresh) download();
  }

  function download() {
    const file = new Blob([at("response").value], { type: "application/json" });
    make("a", { href: URL.createObjectURL(file), download: at("file").textContent }).click();
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(at("response").value);
    } catch {
      at("response").select();
      document.execCommand("copy");
    }
    at("copied").textContent = "Copied.";
  }

  at("replay").addEventListener("click", play);
  at("next").addEventListener("click", submit);
  at("download").addEventListener("click", download);
  at("copy").addEventListener("click", copy);
  document.addEventListener("keydown", pressed);
  start();
})();
