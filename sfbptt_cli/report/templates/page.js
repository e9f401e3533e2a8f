"use strict";
// Everything here only adds to the page: without it the figures stand still and tables keep order.

function addButton(parent, text, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...text);
  button.addEventListener("click", () => onClick(button));
  parent.append(button);
  return button;
}

// Tables: the header of each column becomes a button that sorts by it.
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const text = head.textContent;
    head.replaceChildren();
    head.setAttribute("aria-sort", "none");
    addButton(head, [text], () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const cell = (row) => row.cells[column].textContent;
      const rows = [...body.rows].sort(
        (a, b) => order(cell(a), cell(b), head.classList.contains("number"), up));
      body.replaceChildren(...rows);
    });
  });
}

// Numbers by size, words by the alphabet, what is missing always last.
function order(a, b, numeric, up) {
  if (a === "-" || b === "-") return (a === "-") - (b === "-");
  const value = (text) => parseFloat(text.replace("infinite", "Infinity"));
  const difference = numeric ? Math.sign(value(a) - value(b)) || 0 : a.localeCompare(b);
  return up ? difference : -difference;
}

// Sweep: the text of the point or level nearest to the pointer.
function showTips(chart) {
  const tip = document.getElementById("tip");
  let near = null;
  function mark(found) {
    if (near) near.classList.remove("near");
    near = found;
    if (near) near.classList.add("near");
    tip.hidden = !near;
  }
  function show({ clientX, clientY }) {
    let [best, found] = [28, null];
    for (const point of chart.querySelectorAll("[data-tip]:not(.off)")) {
      const box = point.getBoundingClientRect();
      const far = Math.hypot(
        Math.max(box.left - clientX, 0, clientX - box.right),
        Math.max(box.top - clientY, 0, clientY - box.bottom));
      if (far < best) [best, found] = [far, point];
    }
    mark(found);
    if (!found) return;
    tip.textContent = found.dataset.tip;
    const size = tip.getBoundingClientRect();
    const left = Math.min(clientX + 12, innerWidth - size.width - 8);
    const above = clientY - size.height - 14;
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${above > 4 ? above : clientY + 18}px`;
  }
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerdown", show);
  // A finger leaves as soon as it has tapped; the text stays until it scrolls or taps elsewhere.
  chart.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") mark(null); });
  addEventListener("pointerdown", (event) => { if (!chart.contains(event.target)) mark(null); }, true);
  addEventListener("scroll", () => mark(null), { passive: true });
}

// A name in the legend hides its line.
function makeSwitch(item) {
  const button = addButton(item, [...item.childNodes], () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    for (const part of item.closest("figure").querySelectorAll(`svg [data-series="${item.dataset.series}"]`))
      part.classList.toggle("off", !on);
  });
  button.setAttribute("aria-pressed", "true");
}

function makeCopyable(command) {
  const holder = document.createElement("div");
  command.after(holder);
  addButton(holder, ["Copy"], async (button) => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      button.textContent = "Selected";
    }
  }).className = "small";
}

// Attractors: two clouds on a canvas, turned by time, pointer or arrow keys.
const GAP = 65535;

function decode(text) {
  const view = new DataView(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);
  return Float32Array.from({ length: view.byteLength / 2 }, (_, i) => {
    const code = view.getUint16(2 * i, true);
    return code === GAP ? NaN : code / (GAP - 1) - 0.5;
  });
}

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const KEYS = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };

class Attractor {
  constructor(holder, data, points) {
    this.clouds = [data.truth, data.generated].map((i) => decode(points[i]));
    this.flat = data.flat;
    this.marks = data.marks;
    [this.turn, this.tilt] = [-0.9, 0.35];
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    const label = holder.querySelector("svg").getAttribute("aria-label");
    this.canvas.setAttribute("aria-label", label + (data.flat ? "" : "; arrow keys turn them"));
    holder.classList.add("live");
    holder.prepend(this.canvas);
    if (!data.flat) {
      this.button = addButton(
        holder.querySelector(".under"), [], () => this.rotate(!this.rotating));
      this.button.className = "small";
      this.listen();
      this.rotate(!still.matches);
    }
    dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      this.animate();
    }).observe(this.canvas);
  }

  listen() {
    let last = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      last = event;
      this.canvas.setPointerCapture(event.pointerId);
      this.rotate(false);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.move((event.clientX - last.clientX) / 90, (event.clientY - last.clientY) / 90);
      last = event;
    });
    for (const end of ["pointerup", "pointercancel"])
      this.canvas.addEventListener(end, () => { last = null; });
    this.canvas.addEventListener("keydown", (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      this.rotate(false);
      this.move(...KEYS[event.key]);
    });
    still.addEventListener("change", () => { if (still.matches) this.rotate(false); });
  }

  rotate(on) {
    this.rotating = on;
    this.button.textContent = on ? "Stop turning" : "Turn";
    this.animate();
  }

  move(turn, tilt) {
    this.turn += turn;
    this.tilt = Math.max(-1.57, Math.min(1.57, this.tilt + tilt));
    this.draw();
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const box = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(box.width * ratio));
    this.canvas.height = Math.max(1, Math.round(box.height * ratio));
    this.draw();
  }

  animate() {
    if (this.running || !this.rotating || !this.visible) return;
    this.running = true;
    let before = performance.now();
    const frame = (now) => {
      this.running = this.rotating && this.visible;
      if (!this.running) return;
      this.move(Math.min(now - before, 100) * 0.0003, 0);
      before = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.clearRect(0, 0, width, height);
    const colors = getComputedStyle(this.canvas);
    ["--truth", "--c1"].forEach((name, i) => {
      pen.strokeStyle = colors.getPropertyValue(name);
      this.drawCloud(pen, this.clouds[i], width * (0.25 + 0.5 * i), height / 2, height);
    });
    // Fixed points and cycles are the model's.
    this.drawMarks(pen, colors, width * 0.75, height / 2, height);
  }

  // From a point, shares of the height: across, up and depth.
  projection() {
    if (this.flat) return (x, y) => [x, y, 0];
    const [cosTurn, sinTurn] = [Math.cos(this.turn), Math.sin(this.turn)];
    const [cosTilt, sinTilt] = [Math.cos(this.tilt), Math.sin(this.tilt)];
    return (x, y, z) => {
      const away = x * sinTurn + y * cosTurn;
      return [x * cosTurn - y * sinTurn, z * cosTilt - away * sinTilt,
        0.5 - (away * cosTilt + z * sinTilt)];
    };
  }

  // Circles are fixed points, diamonds points of cycles; filled where they attract.
  drawMarks(pen, colors, left, top, size) {
    const project = this.projection();
    const r = size * 3.5 / 190;
    pen.lineWidth = size * 1.5 / 190;
    pen.strokeStyle = colors.getPropertyValue("--ink");
    for (const [x, y, z, cycle, attracts] of this.marks) {
      const [across, up] = project(x - 0.5, y - 0.5, z - 0.5);
      const [px, py] = [left + size * across, top - size * up];
      pen.beginPath();
      if (cycle) {
        for (const [dx, dy] of [[0, -1], [1, 0], [0, 1], [-1, 0]])
          pen.lineTo(px + 1.15 * r * dx, py + 1.15 * r * dy);
        pen.closePath();
      } else {
        pen.arc(px, py, r, 0, 2 * Math.PI);
      }
      pen.fillStyle = colors.getPropertyValue(attracts ? "--ink" : "--card");
      pen.fill();
      pen.stroke();
    }
  }

  // Far strands first and faint, near ones last: depth without a z-buffer.
  drawCloud(pen, points, left, top, size) {
    const layers = this.flat ? 1 : 4;
    const project = this.projection();
    const paths = Array.from({ length: layers }, () => new Path2D());
    let before = null;
    for (let i = 0; i < points.length; i += 3) {
      const [toRight, up, depth] = project(points[i], points[i + 1], points[i + 2]);
      const next = [left + size * toRight, top - size * up];
      if (Number.isNaN(next[0] + next[1] + depth)) {
        before = null;
        continue;
      }
      if (before) {
        const layer = Math.max(0, Math.min(layers - 1, Math.floor(depth * layers)));
        paths[layer].moveTo(...before);
        paths[layer].lineTo(...next);
      }
      before = next;
    }
    pen.lineWidth = Math.max(0.6, size / 420);
    paths.forEach((path, layer) => {
      pen.globalAlpha = layers === 1 ? 0.8 : 0.3 + 0.6 * layer / (layers - 1);
      pen.stroke(path);
    });
    pen.globalAlpha = 1;
  }
}

document.querySelectorAll("table:not(.plain)").forEach(makeSortable);
document.querySelectorAll(".sweep svg.figure").forEach(showTips);
document.querySelectorAll(".legend [data-series]").forEach(makeSwitch);
document.querySelectorAll("pre.command").forEach(makeCopyable);
const stored = JSON.parse(document.getElementById("attractors").textContent);
for (const holder of document.querySelectorAll("[data-attractor]"))
  new Attractor(holder, stored.runs[holder.dataset.attractor], stored.points);
