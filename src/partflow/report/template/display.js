// The event display: points and lines on a 2D canvas, rotated by mouse, touch or keys.
// A canvas draws the few thousand points of an event in milliseconds: it needs neither a 3D
// library nor a GPU.
(() => {
"use strict";

const MARK = { right: 0, energy: 1, wrongClass: 2, fake: 3, withoutElement: 4 };
const SUBDETECTORS = ["ECAL", "HCAL", "muon system"];
const KINDS = ["an unknown particle", "a photon", "a neutral hadron", "a charged particle"];
const KIND_CLASS = ["none", "22", "130", "211"];
const VIEWS = {
  "3D": { yaw: -0.95, pitch: 0.32, depth: 1 },
  "x–y": { yaw: 0, pitch: 0, depth: 0 },
  "z–y": { yaw: -Math.PI / 2, pitch: 0, depth: 0 },
};
const NUM_CLUSTER_COLOURS = 8, NUM_ENERGY_COLOURS = 8;
const ORIGIN = new Float32Array(3);

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}
function positions(text, quantum) {
  return Float32Array.from(new Int16Array(bytes(text)), (step) => step * quantum);
}
function decode(data) {
  const { hits, tracks, clusters, quantum } = data;
  const [least, step] = data.energy_scale;
  hits.position = positions(hits.position, quantum);
  hits.energy = Float32Array.from(new Uint16Array(bytes(hits.energy)), (n) => least * Math.exp(n * step));
  hits.kind = new Uint8Array(bytes(hits.kind));
  hits.subdetector = new Uint8Array(bytes(hits.subdetector));
  for (const key of Object.keys(hits.cluster)) hits.cluster[key] = new Int16Array(bytes(hits.cluster[key]));
  tracks.position = positions(tracks.position, quantum);
  clusters.position = positions(clusters.position, quantum);
  for (const set of data.sets) {
    set.position = positions(set.position, quantum);
    set.missed.position = positions(set.missed.position, quantum);
  }
  return data;
}

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
function rounded(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(2);
}

// Lines of a part of the detector: circles at its ends, and lines along the beam between them.
function outline([, inner, outer, near, far, isEndcap]) {
  const lines = [], steps = 48, ribs = 12;
  const circle = (radius, z) => {
    const line = new Float32Array(3 * (steps + 1));
    for (let i = 0; i <= steps; i++) {
      const angle = (2 * Math.PI * i) / steps;
      line.set([radius * Math.cos(angle), radius * Math.sin(angle), z], 3 * i);
    }
    lines.push(line);
  };
  const ends = isEndcap ? [[near, far], [-near, -far]] : [[-far, far]];
  for (const [from, to] of ends) {
    for (const radius of [inner, outer]) {
      circle(radius, from);
      circle(radius, to);
      for (let i = 0; i < ribs; i++) {
        const x = radius * Math.cos((2 * Math.PI * i) / ribs), y = radius * Math.sin((2 * Math.PI * i) / ribs);
        lines.push(new Float32Array([x, y, from, x, y, to]));
      }
    }
  }
  return lines;
}

class Camera {
  constructor(reach) {
    this.reach = reach;
    this.look(VIEWS["3D"]);
  }
  look({ yaw, pitch, depth }) {
    Object.assign(this, { yaw, pitch, depth, zoom: 1, panX: 0, panY: 0 });
  }
  turn(across, up) {
    this.yaw += across;
    this.pitch = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, this.pitch + up));
    this.depth = 1;
  }
  // Zoom so that the point under (x, y), in pixels from the middle, stays where it is.
  zoomBy(factor, x = 0, y = 0) {
    const zoom = Math.max(0.4, Math.min(60, this.zoom * factor));
    this.panX = x - ((x - this.panX) * zoom) / this.zoom;
    this.panY = y - ((y - this.panY) * zoom) / this.zoom;
    this.zoom = zoom;
  }
  // Screen positions [x, y] of points [x, y, z].
  project(points, width, height) {
    const shown = new Float32Array((points.length / 3) * 2);
    const scale = Math.min(width / (2.1 * this.reach.z), height / (2.1 * this.reach.r)) * this.zoom;
    const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    const away = this.depth / (5 * this.reach.z);
    for (let i = 0, j = 0; i < points.length; i += 3, j += 2) {
      const x = cy * points[i] - sy * points[i + 2], z = sy * points[i] + cy * points[i + 2];
      const y = cp * points[i + 1] - sp * z, depth = sp * points[i + 1] + cp * z;
      const size = scale / Math.max(0.05, 1 - depth * away);
      shown[j] = width / 2 + this.panX + x * size;
      shown[j + 1] = height / 2 + this.panY - y * size;
    }
    return shown;
  }
}

class Display {
  constructor(figure) {
    this.figure = figure;
    this.data = decode(JSON.parse(figure.querySelector("script[type='application/json']").textContent));
    this.canvas = make("canvas", {
      tabindex: "0", role: "application", "aria-roledescription": "event display",
      "aria-label": `${this.data.title}: rotate with the arrow keys, zoom with plus and minus, `
        + "select particles with N and P, select the candidate set with the digits, reset with 0",
    });
    this.context = this.canvas.getContext("2d");
    this.camera = new Camera(this.reach());
    const hasMuons = this.data.hits.subdetector.includes(2);
    this.parts = this.data.parts.map((part) => ({ name: part[0], lines: outline(part) }));
    this.shown = { hits: true, tracks: true, clusters: false, particles: true, mistakes: true,
                   detector: true, yoke: hasMuons };
    this.colouring = "energy";
    this.set = 0;
    this.focus = null;
    this.tip = make("p", { class: "tip", hidden: "" });
    this.announcement = make("p", { class: "announcement", "aria-live": "polite" });
    this.build();
    this.listen();
    figure.classList.add("live");
    figure.display = this;
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.redraw();
  }

  // Half the size of what must be visible: the ECAL, and 97 % of the hits.
  reach() {
    const ecal = this.data.parts.filter(([name]) => name === "ECAL"), { position } = this.data.hits;
    const far = (values) => values.sort()[Math.floor(0.97 * values.length)] || 0;
    const radius = new Float32Array(position.length / 3), length = new Float32Array(position.length / 3);
    for (let i = 0; i < radius.length; i++) {
      radius[i] = Math.hypot(position[3 * i], position[3 * i + 1]);
      length[i] = Math.abs(position[3 * i + 2]);
    }
    return {
      r: 1.05 * Math.max(far(radius), ...ecal.map((part) => part[2])),
      z: 1.05 * Math.max(far(length), ...ecal.map((part) => part[4])),
    };
  }

  get particles() { return this.data.sets[this.set]; }

  // --- controls ---------------------------------------------------------------------------

  build() {
    const name = `set-${this.figure.id}`;
    const sets = make("fieldset", { class: "choice" }, make("legend", {}, "Particles"));
    this.data.sets.forEach((set, index) => {
      const input = make("input", { type: "radio", name, value: index, ...(index === 0 && { checked: "" }) });
      input.addEventListener("change", () => this.choose(index));
      sets.append(make("label", {}, input, make("span", {}, set.name)));
    });
    this.radios = [...sets.querySelectorAll("input")];
    const views = make("fieldset", { class: "choice" }, make("legend", {}, "View"));
    for (const [name, view] of Object.entries(VIEWS)) {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => { this.camera.look(view); this.redraw(); });
      views.append(button);
    }
    for (const [sign, description, factor] of [["+", "Zoom in", 1.4], ["−", "Zoom out", 1 / 1.4]]) {
      const button = make("button", { type: "button", "aria-label": description, title: description }, sign);
      button.addEventListener("click", () => { this.camera.zoomBy(factor); this.redraw(); });
      views.append(button);
    }
    const layers = make("fieldset", { class: "choice layers" }, make("legend", {}, "Show"));
    for (const key of Object.keys(this.shown)) {
      const input = make("input", { type: "checkbox", name: key, ...(this.shown[key] && { checked: "" }) });
      input.addEventListener("change", () => { this.shown[key] = input.checked; this.redraw(); });
      layers.append(make("label", {}, input, make("span", {}, key)));
    }
    const select = make("select");
    for (const quantity of ["energy", "cluster", "true particle"]) select.append(make("option", {}, quantity));
    select.addEventListener("change", () => { this.colouring = select.value; this.redraw(); });
    const hits = make("label", { class: "pick" }, "Colour hits by ", select);
    const controls = make("div", { class: "controls" }, sets, views, layers, hits);
    const stage = this.figure.querySelector(".stage");
    stage.prepend(this.canvas, this.tip);
    this.figure.prepend(controls);
    stage.after(this.announcement);
  }

  choose(index) {
    this.set = index;
    this.focus = null;
    this.radios[index].checked = true;
    this.hide();
    this.redraw();
  }

  // --- drawing ----------------------------------------------------------------------------

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  colour(name) {
    return this.style.getPropertyValue(`--${name}`).trim();
  }

  draw() {
    const { canvas, context } = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.style = getComputedStyle(this.figure);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineJoin = "round";
    this.project = (points) => this.camera.project(points, width, height);
    this.pickable = [];
    this.counts = { hits: 0, tracks: 0, clusters: 0, particles: 0, missed: 0, marked: 0 };
    this.drawOutline();
    if (this.shown.hits) this.drawHits();
    if (this.shown.clusters) this.drawClusters();
    if (this.shown.tracks) this.drawTracks();
    if (this.shown.particles) this.drawParticles();
    this.drawFocus();
    const { yaw, pitch, zoom } = this.camera;
    const numbers = { set: this.particles.name, yaw, pitch, zoom, ...this.counts };
    for (const [key, value] of Object.entries(numbers)) this.figure.dataset[key] = value;
  }

  line(points, from = 0, to = points.length / 2) {
    const { context } = this;
    context.moveTo(points[2 * from], points[2 * from + 1]);
    for (let i = from + 1; i < to; i++) context.lineTo(points[2 * i], points[2 * i + 1]);
  }

  drawOutline() {
    const { context } = this;
    for (const { name, lines } of this.parts) {
      if (!this.shown[name === "Yoke" ? "yoke" : "detector"]) continue;
      context.beginPath();
      for (const line of lines) this.line(this.project(line));
      context.strokeStyle = this.colour(`part-${name.toLowerCase()}`);
      context.lineWidth = 0.7;
      context.stroke();
    }
  }

  hitColours() {
    const { hits } = this.data, number = hits.energy.length, name = new Array(number);
    const cluster = hits.cluster[this.particles.element_set];
    const { is_judged, misplaced_clusters } = this.particles;
    const isMistake = new Set(this.shown.mistakes && is_judged ? misplaced_clusters : []);
    for (let i = 0; i < number; i++) {
      if (cluster[i] >= 0 && isMistake.has(cluster[i])) name[i] = "red";
      else if (this.colouring === "cluster") name[i] = cluster[i] < 0 ? "class-none" : `cluster-${cluster[i] % NUM_CLUSTER_COLOURS}`;
      else if (this.colouring === "energy") {
        const step = Math.floor(1.35 * Math.log(hits.energy[i] / 0.005));
        name[i] = `energy-${Math.max(0, Math.min(NUM_ENERGY_COLOURS - 1, step))}`;
      } else name[i] = `class-${KIND_CLASS[hits.kind[i]]}`;
    }
    return name;
  }

  drawHits() {
    const { context } = this, { hits } = this.data, shown = this.project(hits.position);
    const groups = new Map();
    this.hitColours().forEach((name, i) => {
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(i);
    });
    const grow = Math.pow(this.camera.zoom, 0.45);
    context.globalAlpha = 0.85;
    for (const name of [...groups.keys()].sort((a, b) => (a === "red") - (b === "red") || a.localeCompare(b))) {
      context.fillStyle = this.colour(name);
      for (const i of groups.get(name)) {
        const size = grow * Math.max(1.3, Math.min(6, 1.1 + 2.4 * Math.sqrt(hits.energy[i])));
        context.fillRect(shown[2 * i] - size / 2, shown[2 * i + 1] - size / 2, size, size);
      }
    }
    context.globalAlpha = 1;
    this.counts.hits = hits.energy.length;
    this.pickable.push({ shown, reach: 5, describe: (i) => this.describeHit(i) });
  }

  drawClusters() {
    const { context } = this, { clusters } = this.data, shown = this.project(clusters.position);
    context.strokeStyle = this.colour("ink");
    context.lineWidth = 1;
    clusters.energy.forEach((energy, i) => {
      const size = this.size(energy), x = shown[2 * i], y = shown[2 * i + 1];
      context.beginPath();
      context.moveTo(x - size, y); context.lineTo(x + size, y);
      context.moveTo(x, y - size); context.lineTo(x, y + size);
      context.stroke();
    });
    this.counts.clusters = clusters.energy.length;
    this.pickable.push({ shown, reach: 8, describe: (i) => this.describeCluster(i) });
  }

  drawTracks() {
    const { context } = this, { tracks } = this.data, { points } = tracks;
    const shown = this.project(tracks.position), set = this.particles;
    const rowOfTrack = new Map(set.track.map((track, row) => [track, row]));
    tracks.momentum.forEach((_, i) => {
      const row = this.shown.particles ? rowOfTrack.get(i) : undefined;
      context.beginPath();
      this.line(shown, i * points, (i + 1) * points);
      context.strokeStyle = row === undefined ? this.colour("track") : this.particleColour(row);
      context.lineWidth = row === undefined ? 1 : 1.6;
      context.stroke();
    });
    this.counts.tracks = tracks.momentum.length;
    this.pickable.push({ shown, reach: 5, describe: (i) => this.describeTrack(Math.floor(i / points)) });
  }

  size(energy) {
    const grow = Math.pow(this.camera.zoom, 0.25);
    return grow * Math.max(2.6, Math.min(13, 2 + 1.5 * Math.sqrt(energy)));
  }

  isMarked(row) {
    const mark = this.particles.mark[row];
    return this.shown.mistakes && this.particles.is_judged && mark !== MARK.right && mark !== MARK.withoutElement;
  }

  particleColour(row) {
    const set = this.particles;
    const isRed = this.isMarked(row) && set.mark[row] !== MARK.energy;
    return this.colour(isRed ? "red" : `class-${set.class[row]}`);
  }

  // Shapes distinguish the classes without colours.
  shape(kind, x, y, size) {
    const { context } = this, angles = { 130: 4, 211: 3, 11: 5, 13: 6 }[kind];
    context.beginPath();
    if (!angles) { context.arc(x, y, size, 0, 2 * Math.PI); return; }
    for (let i = 0; i < angles; i++) {
      const angle = (2 * Math.PI * i) / angles - Math.PI / 2 + (angles === 4 ? Math.PI / 4 : 0);
      context.lineTo(x + 1.15 * size * Math.cos(angle), y + 1.15 * size * Math.sin(angle));
    }
    context.closePath();
  }

  drawParticles() {
    const { context } = this, set = this.particles, shown = this.project(set.position);
    const [x0, y0] = this.project(ORIGIN);
    set.class.forEach((kind, row) => {
      const x = shown[2 * row], y = shown[2 * row + 1];
      if (set.track[row] < 0) {
        context.beginPath();
        context.moveTo(x0, y0); context.lineTo(x, y);
        context.setLineDash([4, 4]);
        context.globalAlpha = 0.55;
        context.strokeStyle = this.particleColour(row);
        context.lineWidth = 1;
        context.stroke();
        context.setLineDash([]);
        context.globalAlpha = 1;
      }
      this.shape(kind, x, y, this.size(set.energy[row]));
      context.fillStyle = this.particleColour(row);
      context.globalAlpha = this.isMarked(row) ? 0.75 : 0.45;
      context.fill();
      context.globalAlpha = 1;
      context.strokeStyle = this.isMarked(row) ? this.colour("red") : this.particleColour(row);
      context.lineWidth = this.isMarked(row) ? 2.2 : 1.2;
      context.stroke();
      if (this.isMarked(row)) this.counts.marked += 1;
    });
    this.counts.particles = set.class.length;
    this.pickable.push({ shown, reach: 13, describe: (i) => this.describeParticle(i) });
    if (this.shown.mistakes && set.is_judged) this.drawMissed();
  }

  drawMissed() {
    const { context } = this, { missed } = this.particles, shown = this.project(missed.position);
    context.strokeStyle = this.colour("red");
    context.lineWidth = 2;
    context.setLineDash([3, 2.5]);
    missed.class.forEach((kind, row) => {
      this.shape(kind, shown[2 * row], shown[2 * row + 1], this.size(missed.energy[row]) + 1);
      context.stroke();
    });
    context.setLineDash([]);
    this.counts.missed = missed.class.length;
    this.pickable.push({ shown, reach: 13, describe: (i) => this.describeMissed(i) });
  }

  drawFocus() {
    if (!this.focus) return;
    const layer = this.pickable[this.focus.layer];
    if (!layer || 2 * this.focus.index >= layer.shown.length) return;
    const { context } = this;
    context.beginPath();
    context.arc(layer.shown[2 * this.focus.index], layer.shown[2 * this.focus.index + 1], 17, 0, 2 * Math.PI);
    context.strokeStyle = this.colour("ink");
    context.lineWidth = 1.2;
    context.stroke();
  }

  // --- text -------------------------------------------------------------------------------

  direction(of, row) {
    return `pT ${rounded(of.pt[row])} GeV, η ${of.eta[row].toFixed(2)}, φ ${of.phi[row].toFixed(2)}`;
  }
  element(of, row) {
    if (of.track[row] >= 0) return `at track ${of.track[row]}`;
    return of.cluster[row] >= 0 ? `at cluster ${of.cluster[row]}` : "without an element";
  }
  describeParticle(row) {
    const set = this.particles, { classes } = this.data;
    const particle = `${classes[set.class[row]]}, ${rounded(set.energy[row])} GeV; `
      + `${this.direction(set, row)}; ${this.element(set, row)}`;
    if (!set.is_judged || set.mark[row] === MARK.withoutElement) return particle;
    const target = `target: ${classes[set.target_class[row]]}, ${rounded(set.target_energy[row])} GeV`;
    return particle + [`. Right; ${target}`, `. Wrong energy; ${target}`, `. Wrong class; ${target}`,
                       ". Fake: this element has no target, the energy is counted twice"][set.mark[row]];
  }
  describeMissed(row) {
    const { missed } = this.particles;
    return `Missed: ${this.data.classes[missed.class[row]]}, ${rounded(missed.energy[row])} GeV; `
      + `${this.direction(missed, row)}; ${this.element(missed, row)}`;
  }
  describeTrack(row) {
    const { tracks } = this.data;
    return `track ${row}: p ${rounded(tracks.momentum[row])} GeV, charge ${tracks.charge[row] > 0 ? "+" : "−"}`;
  }
  describeCluster(row) {
    const { clusters } = this.data;
    return `cluster ${row}: ${rounded(clusters.energy[row])} GeV (EM scale), ${clusters.hits[row]} hits`;
  }
  describeHit(row) {
    const { hits } = this.data, cluster = hits.cluster[this.particles.element_set][row];
    const energy = hits.energy[row] < 0.1 ? `${(1000 * hits.energy[row]).toFixed(1)} MeV` : `${rounded(hits.energy[row])} GeV`;
    return `hit: ${energy} in the ${SUBDETECTORS[hits.subdetector[row]]}, `
      + `${cluster < 0 ? "in no cluster" : `cluster ${cluster}`}, mostly from ${KINDS[hits.kind[row]]}`;
  }

  // --- pointing ---------------------------------------------------------------------------

  nearest(x, y, tolerance) {
    for (let layer = this.pickable.length - 1; layer >= 0; layer--) {
      const { shown, reach } = this.pickable[layer];
      let best = null, least = (reach + tolerance) ** 2;
      for (let i = 0; i < shown.length; i += 2) {
        const distance = (shown[i] - x) ** 2 + (shown[i + 1] - y) ** 2;
        if (distance < least) { least = distance; best = { layer, index: i / 2 }; }
      }
      if (best) return best;
    }
    return null;
  }

  select(focus) {
    this.focus = focus;
    if (!focus) { this.hide(); this.redraw(); return; }
    const { shown, describe } = this.pickable[focus.layer];
    const x = shown[2 * focus.index], y = shown[2 * focus.index + 1];
    this.tip.textContent = describe(focus.index);
    this.tip.hidden = false;
    const right = this.canvas.clientWidth - this.tip.offsetWidth - 6;
    const below = y + 20 + this.tip.offsetHeight < this.canvas.clientHeight;
    this.tip.style.left = `${Math.max(6, Math.min(right, x + 14))}px`;
    this.tip.style.top = `${below ? y + 18 : Math.max(4, y - this.tip.offsetHeight - 18)}px`;
    this.redraw();
  }

  hide() {
    this.tip.hidden = true;
  }

  step(by) {
    const layer = this.pickable.findIndex(({ reach }) => reach === 13);
    if (layer < 0) return;
    const number = this.pickable[layer].shown.length / 2;
    if (!number) return;
    const at = this.focus && this.focus.layer === layer ? this.focus.index + by : by > 0 ? 0 : number - 1;
    this.select({ layer, index: (at + number) % number });
    this.announcement.textContent = this.tip.textContent;
  }

  key(event) {
    const turn = 0.12, { camera } = this;
    const actions = {
      ArrowLeft: () => camera.turn(-turn, 0), ArrowRight: () => camera.turn(turn, 0),
      ArrowUp: () => camera.turn(0, turn), ArrowDown: () => camera.turn(0, -turn),
      "+": () => camera.zoomBy(1.2), "=": () => camera.zoomBy(1.2), "-": () => camera.zoomBy(1 / 1.2),
      "0": () => camera.look(VIEWS["3D"]), n: () => this.step(1), p: () => this.step(-1),
      Escape: () => this.select(null),
    };
    const digit = Number(event.key) - 1;
    const action = actions[event.key] || (digit >= 0 && digit < this.data.sets.length && (() => this.choose(digit)));
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!["n", "p"].includes(event.key)) this.hide();
    action();
    this.redraw();
  }

  listen() {
    const { canvas } = this, fingers = new Map();
    const middle = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, size: Math.hypot(a[0] - b[0], a[1] - b[1]) };
    };
    const lift = (event) => fingers.delete(event.pointerId);
    canvas.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, middle(event));
      try { canvas.setPointerCapture(event.pointerId); } catch { /* the pointer is gone already */ }
      if (event.pointerType !== "mouse") this.select(this.nearest(...middle(event), 10));
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = middle(event);
      if (!fingers.has(event.pointerId)) { this.select(this.nearest(x, y, 0)); return; }
      const [oldX, oldY] = fingers.get(event.pointerId);
      if (fingers.size === 2) {
        const before = spread();
        fingers.set(event.pointerId, [x, y]);
        const now = spread(), { clientWidth, clientHeight } = canvas;
        this.camera.zoomBy(now.size / Math.max(before.size, 1), now.x - clientWidth / 2, now.y - clientHeight / 2);
        this.camera.panX += now.x - before.x;
        this.camera.panY += now.y - before.y;
      } else {
        fingers.set(event.pointerId, [x, y]);
        if (event.shiftKey) { this.camera.panX += x - oldX; this.camera.panY += y - oldY; }
        else this.camera.turn((x - oldX) * 0.008, (y - oldY) * 0.008);
      }
      this.hide();
      this.redraw();
    });
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => { if (!fingers.size) this.select(null); });
    canvas.addEventListener("dblclick", () => { this.camera.look(VIEWS["3D"]); this.redraw(); });
    canvas.addEventListener("wheel", (event) => {
      // Before a click, the wheel scrolls the page instead of zooming.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      const [x, y] = middle(event);
      this.camera.zoomBy(Math.exp(-event.deltaY * 0.0015), x - canvas.clientWidth / 2, y - canvas.clientHeight / 2);
      this.hide();
      this.redraw();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }
}

for (const figure of document.querySelectorAll("figure.display")) {
  if (!document.createElement("canvas").getContext("2d")) continue; // the picture stays
  new Display(figure);
}
})();
