"use strict";
const report = (() => {
  const byId = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in element && name !== "list") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const options = (select, names) => select.replaceChildren(...names.map((name, index) => new Option(name, index)));

  // Colours, tables, plots ------------------------------------------------------------------------------------------
  byId("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      (getComputedStyle(document.documentElement).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.style.colorScheme = dark ? "light" : "dark";
  });

  for (const heading of document.querySelectorAll(".sortable thead th")) {
    heading.querySelector("button").addEventListener("click", () => {
      const [first, other] = heading.dataset.first === "ascending" ? ["ascending", "descending"] : ["descending", "ascending"];
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      for (const each of heading.parentNode.children) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      const body = heading.closest("table").tBodies[0];
      const key = (row) => {
        const cell = row.cells[heading.cellIndex];
        return "value" in cell.dataset ? Number(cell.dataset.value) : cell.tagName === "TH" ? cell.textContent : null;
      };
      const sign = order === "ascending" ? 1 : -1;
      body.append(...[...body.rows].map((row) => [key(row), row]).sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);  // what is missing comes last, always
        return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
      }).map(([, row]) => row));
    });
  }

  for (const select of document.querySelectorAll("select.figures")) {
    const figures = select.closest("section").querySelectorAll("figure");
    select.addEventListener("change", () => figures.forEach((figure, index) => { figure.hidden = index !== select.selectedIndex; }));
  }

  if (byId("slices")) {
    const slices = JSON.parse(byId("slices").textContent);
    const [metric, kind] = [byId("slice-metric"), byId("slice-kind")];
    options(metric, slices.metrics.map(([, heading]) => heading));
    options(kind, Object.keys(slices.kinds));
    const show = () => {
      const name = slices.metrics[metric.selectedIndex][0];
      const parts = Object.values(slices.kinds)[kind.selectedIndex];
      const cell = (told) => told === null
        ? make("td", {}, "–")
        : make("td", { className: ["", "best", "second"][told[2]] }, make("span", { className: "figure" }, told[0]), told[1] ? make("small", {}, told[1]) : null);
      byId("slice-table").replaceChildren(
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, Object.keys(slices.kinds)[kind.selectedIndex]),
          ...slices.methods.map((method) => make("th", { scope: "col" }, method)))),
        make("tbody", {}, ...parts.map((part) => make("tr", {}, make("th", { scope: "row" }, part.name),
          ...slices.methods.map((_, index) => cell((part.cells[name] || [])[index] ?? null))))));
    };
    metric.addEventListener("change", show);
    kind.addEventListener("change", show);
    show();
  }

  // The viewer ------------------------------------------------------------------------------------------------------
  const CURVES = [[0, 16], [17, 21], [22, 26], [27, 30], [31, 35], [36, 41, 36], [42, 47, 42], [48, 59, 48], [60, 67, 60]];
  const EXTREMES = 8;
  let data = null;  // what pairs.js tells
  let order = [];  // indices of pairs
  let current = 0;  // index into data.pairs
  let tiles = [];  // {video, canvas, size, stem}
  let playing = false;
  const tracks = new Map();  // landmarks by stem

  const load = (path) => new Promise((resolve) => {
    const script = make("script", { src: path });
    script.onload = script.onerror = resolve;
    document.head.append(script);
  });
  const path = (...parts) => parts.map((part) => part.split("/").map(encodeURIComponent).join("/")).join("/");
  const name = (pair) => {
    const [character, driver] = [data.characters[pair[0]].name, data.drivers[pair[1]].name];
    return driver ? `${character}__${driver}` : character;
  };
  const decode = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const numbers = new Uint16Array(bytes.buffer);
    return Float32Array.from(numbers, (number) => number / 32767.5 - 0.5);
  };

  const clock = () => tiles.find((tile) => tile.video && tile.video.readyState > 0 && !tile.video.error)?.video;
  const rate = () => data.drivers[data.pairs[current][1]].fps || 25;
  const length = () => data.drivers[data.pairs[current][1]].frames || 1;
  const frame = () => (clock() ? Math.min(length() - 1, Math.floor(clock().currentTime * rate() + 1e-3)) : 0);

  const drawOverlay = () => {
    const shown = byId("overlay").checked;
    for (const tile of tiles) {
      const { canvas, stem } = tile;
      const side = Math.round(canvas.clientWidth * devicePixelRatio);
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, side, side);
      const track = shown && tracks.get(stem);
      if (!track) continue;
      const media = canvas.previousElementSibling;
      const [width, height] = [media.videoWidth || media.naturalWidth, media.videoHeight || media.naturalHeight];
      const scale = side / Math.max(width, height);
      const [left, top] = [(side - width * scale) / 2, (side - height * scale) / 2];
      const start = Math.min(frame(), track.length / 136 - 1) * 136;
      const point = (index) => [left + track[start + 2 * index] * width * scale, top + track[start + 2 * index + 1] * height * scale];
      pen.beginPath();
      for (const [first, last, end] of CURVES) {
        pen.moveTo(...point(first));
        for (let index = first + 1; index <= last; index += 1) pen.lineTo(...point(index));
        if (end !== undefined) pen.lineTo(...point(end));
      }
      for (const [colour, thickness] of [["rgba(0, 0, 0, 0.6)", 4], ["#ffd43b", 1.75]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = thickness * devicePixelRatio;
        pen.stroke();
      }
    }
  };

  const loadOverlay = async () => {
    const wanted = byId("overlay").checked ? tiles.filter((tile) => tile.stem && !tracks.has(tile.stem)) : [];
    await Promise.all(wanted.map((tile) => load(path("media", `${tile.stem}.js`))));
    drawOverlay();
  };

  const tell = () => {
    byId("frame").value = frame();
    byId("counter").textContent = `${frame() + 1}/${length()}`;
    drawOverlay();
  };

  const seek = (wanted) => {
    const time = (Math.max(0, Math.min(length() - 1, wanted)) + 0.5) / rate();
    let waiting = 0;
    for (const { video } of tiles) {
      if (!video) continue;
      waiting += 1;
      video.addEventListener("seeked", () => { waiting -= 1; if (!waiting) tell(); }, { once: true });
      video.currentTime = time;
    }
  };

  const tick = () => {
    if (!playing) return;
    const master = clock();
    if (master) {
      if (master.ended || master.currentTime >= length() / rate() - 0.5 / rate()) {
        for (const { video } of tiles) if (video) { video.currentTime = 0; video.play().catch(() => {}); }
      } else {
        for (const { video } of tiles) {  // all follow the first
          if (video && video !== master && !video.seeking && Math.abs(video.currentTime - master.currentTime) > 1.5 / rate()) {
            video.currentTime = master.currentTime;
          }
        }
      }
      tell();
    }
    requestAnimationFrame(tick);
  };

  const setPlaying = (wanted) => {
    playing = wanted;
    byId("play").textContent = wanted ? "❚❚ Pause" : "▶ Play";
    byId("play").setAttribute("aria-pressed", String(wanted));
    if (!wanted) {
      for (const { video } of tiles) video?.pause();
      seek(frame());
      return;
    }
    const at = clock()?.currentTime ?? 0;
    for (const { video } of tiles) {
      if (!video) continue;
      video.currentTime = at;
      video.playbackRate = Number(byId("speed").value);
      video.play().catch(() => {});
    }
    requestAnimationFrame(tick);
  };

  const tile = (caption, small, source, stem, reason) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    let media;
    if (source && source.endsWith(".mp4")) {
      media = make("video", { src: source, muted: true, playsInline: true, preload: "auto", title: caption });
      media.addEventListener("loadeddata", tell);
    } else if (source) {
      media = make("img", { src: source, alt: caption });
      media.addEventListener("load", drawOverlay);
    } else {
      media = make("p", { className: "nothing" }, reason);
    }
    tiles.push({ video: media.tagName === "VIDEO" ? media : null, canvas, stem });
    return make("figure", { className: "tile" }, make("div", { className: "screen" }, media, canvas),
      make("figcaption", {}, caption, small ? make("small", {}, small) : null));
  };

  const showPair = (index, { jump = false } = {}) => {
    current = index;
    const [character, driver, stem] = data.pairs[index];
    for (const { video } of tiles) if (video) { video.removeAttribute("src"); video.load(); }  // gives memory back
    tiles = [];
    const [still, drive] = [data.characters[character], data.drivers[driver]];
    const shown = [tile(still.name, still.domain, still.image, still.landmarks ? `character ${character}` : null, still.reason)];
    if (still.landmarks) tracks.set(`character ${character}`, decode(still.landmarks));
    if (drive.name) shown.push(tile(drive.name, "driver", drive.video, drive.landmarks, drive.reason));
    data.methods.forEach(([method, folder], row) => {
      const there = data.clips[row][index];
      const base = `${folder}/${stem}`;
      if (typeof there === "number") {
        shown.push(tile(method, null, null, null, data.reasons[there]));
      } else {
        const suffix = there.includes("v") ? ".mp4" : there.includes("s") ? "-s.jpg" : "-o.jpg";
        const anything = /[vso]/.test(there);
        shown.push(tile(method, null, anything ? path("media", base + suffix) : null,
          there.includes("l") && there.includes("v") ? base : null, "made no video"));
      }
    });
    byId("tiles").replaceChildren(...shown);
    byId("player").hidden = !tiles.some(({ video }) => video);
    byId("frame").max = length() - 1;
    byId("character").value = character;
    byId("driver").value = driver;
    const at = order.indexOf(index);
    byId("place").textContent = at < 0 ? "" : `${at + 1} of ${order.length}`;
    for (const button of byId("extremes").querySelectorAll("button")) {
      if (Number(button.value) === index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    showScores(index);
    history.replaceState(null, "", `#pair=${encodeURIComponent(name(data.pairs[index]))}`);
    if (jump) byId("pairs").scrollIntoView();
    if (playing) setPlaying(true);
    loadOverlay();
    tell();
  };

  const showScores = (index) => {
    const best = data.metrics.map(([, , direction], metric) => {
      const known = data.values[metric].map((row) => row[index]).filter((value) => value !== null);
      return direction === "up" ? Math.max(...known) : Math.min(...known);
    });
    byId("pair-scores").replaceChildren(
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "method"), ...data.metrics.map(([metric, unit, direction]) =>
        make("th", { scope: "col" }, metric, " ", make("span", { className: "unit" }, unit), direction === "up" ? " ↑" : " ↓")))),
      make("tbody", {}, ...data.methods.map(([method], row) => make("tr", {}, make("th", { scope: "row" }, method),
        ...data.metrics.map((_, metric) => {
          const value = data.values[metric][row][index];
          return value === null ? make("td", {}, "–")
            : make("td", { className: value === best[metric] ? "best" : "" }, make("span", { className: "figure" }, value.toPrecision(4)));
        })))));
  };

  const arrange = () => {
    const [how, metric, method] = [byId("order").value, byId("order-metric").selectedIndex, byId("order-method").selectedIndex];
    const every = data.pairs.map((_, index) => index);
    const scored = data.metrics.length > 0;
    const values = scored ? data.values[metric] : [];
    const up = scored && data.metrics[metric][2] === "up";
    const key = {
      worst: (index) => (up ? 1 : -1) * values[method][index],
      best: (index) => (up ? -1 : 1) * values[method][index],
      apart: (index) => {
        const known = values.map((row) => row[index]).filter((value) => value !== null);
        return -(Math.max(...known) - Math.min(...known));
      },
    }[how];
    if (how === "failed") order = every.filter((index) => typeof data.clips[method][index] === "number");
    else if (key && scored) {
      const known = (index) => (how === "apart" ? values.some((row) => row[index] !== null) : values[method][index] !== null);
      order = every.filter(known).sort((a, b) => key(a) - key(b));
    } else order = every;
    byId("order-metric").disabled = !["worst", "best", "apart"].includes(how);
    byId("order-method").disabled = !["worst", "best", "failed"].includes(how);
    byId("extremes").replaceChildren(...(how ? order.slice(0, EXTREMES) : []).map((index) => {
      const value = how === "failed" || how === "apart" ? null : values[method][index];
      return make("li", {}, make("button", { type: "button", value: index, onclick: () => showPair(index) },
        name(data.pairs[index]) + (value === null ? "" : ` (${value.toPrecision(3)})`)));
    }));
    if (how && order.length) showPair(order[0]);
    else byId("place").textContent = how ? "none" : `${order.indexOf(current) + 1} of ${order.length}`;
  };

  const move = (step) => {
    if (!order.length) return;
    const at = order.indexOf(current);
    showPair(order[(at + step + order.length) % order.length]);
  };

  const choose = () => {
    const [character, driver] = [Number(byId("character").value), Number(byId("driver").value)];
    const index = data.pairs.findIndex((pair) => pair[0] === character && pair[1] === driver);
    if (index >= 0) showPair(index);
  };

  const asked = () => {
    const match = location.hash.match(/^#pair=(.*)$/);
    if (!match) return -1;
    let wanted;
    try { wanted = decodeURIComponent(match[1]); } catch { return -1; }
    return data ? data.pairs.findIndex((pair) => name(pair) === wanted) : 0;
  };

  const ready = (told) => {
    data = told;
    options(byId("character"), data.characters.map((character) => character.name));
    options(byId("driver"), data.drivers.map((driver) => driver.name));
    byId("driver").parentNode.hidden = !data.drivers[0].name;
    options(byId("order-metric"), data.metrics.map(([metric]) => metric));
    options(byId("order-method"), data.methods.map(([method]) => method));
    for (const id of ["character", "driver"]) byId(id).addEventListener("change", choose);
    for (const id of ["order", "order-metric", "order-method"]) byId(id).addEventListener("change", arrange);
    byId("previous").addEventListener("click", () => move(-1));
    byId("next").addEventListener("click", () => move(1));
    byId("play").addEventListener("click", () => setPlaying(!playing));
    byId("back").addEventListener("click", () => { if (playing) setPlaying(false); seek(frame() - 1); });
    byId("forward").addEventListener("click", () => { if (playing) setPlaying(false); seek(frame() + 1); });
    byId("frame").addEventListener("input", () => { if (playing) setPlaying(false); seek(Number(byId("frame").value)); });
    byId("speed").addEventListener("change", () => { for (const { video } of tiles) if (video) video.playbackRate = Number(byId("speed").value); });
    byId("overlay").addEventListener("change", loadOverlay);
    addEventListener("resize", drawOverlay);
    addEventListener("hashchange", () => { const index = asked(); if (index >= 0 && index !== current) showPair(index, { jump: true }); });
    byId("tiles").addEventListener("keydown", (event) => {
      const act = {
        " ": () => setPlaying(!playing), ",": () => byId("back").click(), ".": () => byId("forward").click(),
        ArrowLeft: () => move(-1), ArrowRight: () => move(1),
        l: () => { byId("overlay").checked = !byId("overlay").checked; loadOverlay(); },
      }[event.key];
      if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); act(); }
    });
    byId("tiles").addEventListener("click", () => byId("tiles").focus({ preventScroll: true }));
    const wanted = asked();
    const hash = location.hash;
    arrange();
    showPair(Math.max(0, wanted), { jump: wanted >= 0 });
    if (wanted < 0) history.replaceState(null, "", hash || location.pathname + location.search);
  };

  if (byId("pairs")) {
    const open = () => { watcher.disconnect(); if (!data) load("pairs.js"); };
    const watcher = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) open(); }, { rootMargin: "400px" });
    watcher.observe(byId("pairs"));
    if (asked() >= 0) open();
    addEventListener("hashchange", () => { if (!data && asked() >= 0) open(); });
  }

  return {
    pairs: ready,
    landmarks: (stem, text) => { tracks.set(stem, decode(text)); },
  };
})();
