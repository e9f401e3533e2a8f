"use strict";
// Everything here only adds to the page: without it the figures stand still and tables keep order.

// Tables: the header of each column becomes a button that sorts by it.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [row, row.cells[column].dataset.sort]);
      rows.sort(([, a], [, b]) => order(a, b, up));
      body.replaceChildren(...rows.map(([row]) => row));
    });
  });
}

// Numbers by size, words by the alphabet, what is missing always last.
function order(a, b, up) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const x = Number(a), y = Number(b);
  const known = !Number.isNaN(x) && !Number.isNaN(y);
  const difference = known ? (x === y ? 0 : x < y ? -1 : 1) : a.localeCompare(b);
  return up ? difference : -difference;
}

// Sweep: the words of the nearest point beside the pointer, and a legend that hides lines.
function hoverable(chart) {
  const tip = document.getElementById("tip");
  let near = null;
  function show(event) {
    const scale = chart.getBoundingClientRect().width / chart.viewBox.baseVal.width;
    let best = 28 * Math.max(scale, 1);
    let found = null;
    for (const point of chart.querySelectorAll(".series:not(.off) [data-tip]")) {
      const box = point.getBoundingClientRect();
      const far = Math.hypot(
        event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2);
      if (far < best) [best, found] = [far, point];
    }
    if (near !== found) {
      if (near) near.classList.remove("near");
      if (found) found.classList.add("near");
      near = found;
    }
    tip.hidden = !found;
    if (!found) return;
    tip.textContent = found.dataset.tip;
    const size = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 12, innerWidth - size.width - 8);
    const above = event.clientY - size.height - 14;
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${above > 4 ? above : event.clientY + 18}px`;
  }
  function hide() {
    if (near) near.classList.remove("near");
    near = null;
    tip.hidden = true;
  }
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerdown", show);
  // A finger leaves as soon as it has tapped; its words stay until it scrolls or taps elsewhere.
  chart.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
  addEventListener("pointerdown", (event) => { if (!chart.contains(event.target)) hide(); }, true);
  addEventListener("scroll", hide, { passive: true });
}

function switchable(item) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", "true");
  button.append(...item.childNodes);
  item.append(button);
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    for (const line of document.querySelectorAll(`.series[data-series="${item.dataset.series}"]`))
      line.classList.toggle("off", !on);
  });
}

// Attractors: two clouds on a canvas, turned by time, pointer or arrow keys.
const GAP = 65535;

function decode(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const points = new Float32Array(bytes.length / 2);
  for (let i = 0; i < points.length; i += 1) {
    const code = view.getUint16(2 * i, true);
    points[i] = code === GAP ? NaN : code / (GAP - 1) - 0.5;
  }
  return points;
}

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

class Attractor {
  constructor(holder, data) {
    this.clouds = [decode(data.truth), decode(data.generated)];
    this.flat = data.flat;
    this.marks = data.marks;
    this.turn = -0.9;
    this.tilt = 0.35;
    this.visible = false;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    const turning = data.flat ? "" : "; arrow keys turn them";
    const label = holder.querySelector("svg").getAttribute("aria-label");
    this.canvas.setAttribute("aria-label", label + turning);
    holder.classList.add("live");
    holder.prepend(this.canvas);
    if (!data.flat) {
      this.addButton(holder.querySelector(".under"));
      this.addPointer();
      this.addKeys();
    }
    this.rotating = !data.flat && !still.matches;
    this.label();
    still.addEventListener("change", () => { if (still.matches) this.rotate(false); });
    dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      this.animate();
    }).observe(this.canvas);
  }

  addButton(under) {
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "small";
    this.button.addEventListener("click", () => this.rotate(!this.rotating));
    under.append(this.button);
  }

  label() {
    if (this.button) this.button.textContent = this.rotating ? "Stop turning" : "Turn";
  }

  rotate(on) {
    this.rotating = on;
    this.label();
    this.animate();
  }

  addPointer() {
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
  }

  addKeys() {
    const steps = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    this.canvas.addEventListener("keydown", (event) => {
      if (!steps[event.key]) return;
      event.preventDefault();
      this.rotate(false);
      this.move(...steps[event.key]);
    });
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
      if (!this.rotating || !this.visible) {
        this.running = false;
        return;
      }
      this.turn += Math.min(now - before, 100) * 0.0003;
      before = now;
      this.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.clearRect(0, 0, width, height);
    const colors = getComputedStyle(document.documentElement);
    ["--truth", "--generated"].forEach((name, i) => {
      pen.strokeStyle = colors.getPropertyValue(name);
      this.drawCloud(pen, this.clouds[i], width * (0.25 + 0.5 * i), height / 2, height);
    });
    // Fixed points and cycles are the model's.
    this.drawMarks(pen, colors, width * 0.75, height / 2, height);
  }

  // From a point, shares of the height: across, up and depth.
  projection() {
    const [cosTurn, sinTurn] = this.flat ? [1, 0] : [Math.cos(this.turn), Math.sin(this.turn)];
    const [cosTilt, sinTilt] = this.flat ? [0, 1] : [Math.cos(this.tilt), Math.sin(this.tilt)];
    return (x, y, z) => {
      const away = x * sinTurn + y * cosTurn;
      // From above, a plane keeps its own two axes: sinTilt of it is 1.
      const up = this.flat ? y : z * cosTilt - away * sinTilt;
      return [x * cosTurn - y * sinTurn, up, 0.5 - (away * cosTilt + z * sinTilt)];
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
        pen.moveTo(px, py - 1.15 * r);
        for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0]])
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
    let [px, py, known] = [0, 0, false];
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i], y = points[i + 1], z = points[i + 2];
      if (Number.isNaN(x) || Number.isNaN(y) || Number.isNaN(z)) {
        known = false;
        continue;
      }
      const [toRight, up, depth] = project(x, y, z);
      const across = left + size * toRight, down = top - size * up;
      if (known) {
        const layer = Math.max(0, Math.min(layers - 1, Math.floor(depth * layers)));
        paths[layer].moveTo(px, py);
        paths[layer].lineTo(across, down);
      }
      [px, py, known] = [across, down, true];
    }
    pen.lineWidth = Math.max(0.6, size / 420);
    paths.forEach((path, layer) => {
      pen.globalAlpha = layers === 1 ? 0.8 : 0.3 + 0.6 * layer / (layers - 1);
      pen.stroke(path);
    });
    pen.globalAlpha = 1;
  }
}

function copyable(command) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      button.textContent = "Selected";
    }
  });
  command.after(button);
}

document.querySelectorAll("table:not(.plain)").forEach(sortable);
document.querySelectorAll(".sweep svg.chart").forEach(hoverable);
document.querySelectorAll(".legend [data-series]").forEach(switchable);
document.querySelectorAll("pre.command").forEach(copyable);
const stored = JSON.parse(document.getElementById("attractors").textContent);
for (const holder of document.querySelectorAll("[data-attractor]"))
  new Attractor(holder, stored[holder.dataset.attractor]);
