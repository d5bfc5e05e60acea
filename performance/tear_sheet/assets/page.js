"use strict";
// Draws each figure when it comes into view, in the colours of the surroundings. Figures are data in this page: nothing is fetched.
(() => {
  const palette = JSON.parse(document.getElementById("palette").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const drawn = new Map(); // element -> what it was made of
  const PAPER_WIDTH = 660; // of A4 and Letter, less margins and borders; browsers tell scripts only the window's width
  let printing = false;

  const colour = (token) => {
    const [name, opacity] = token.slice(1).split("/");
    const hex = palette[name][dark.matches && !printing ? 1 : 0];
    if (opacity === undefined) return hex;
    const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${parts.join(",")},${opacity})`;
  };

  const isToken = (text) => /^@[a-z]+(\/[0-9.]+)?$/.test(text) && text.slice(1).split("/")[0] in palette;

  // Only these keys hold colours, so a name that looks like a token stays a name.
  const COLOURS = /color|colorscale/i;
  const painted = (value, inColour) => {
    if (typeof value === "string") return inColour && isToken(value) ? colour(value) : value;
    if (Array.isArray(value)) return value.map((one) => painted(one, inColour));
    if (value === null || typeof value !== "object") return value;
    const copy = {};
    for (const [key, one] of Object.entries(value)) {
      const leaf = typeof one === "string" || Array.isArray(one);
      copy[key] = painted(one, leaf && (COLOURS.test(key) || inColour));
    }
    return copy;
  };

  const merged = (base, over) => {
    const copy = { ...base };
    for (const [key, one] of Object.entries(over)) {
      const both = [copy[key], one].every((it) => it && typeof it === "object" && !Array.isArray(it));
      copy[key] = both ? merged(copy[key], one) : one;
    }
    return copy;
  };

  const axis = {
    gridcolor: "@rule", linecolor: "@rule", zerolinecolor: "@rule", automargin: true,
    tickfont: { color: "@muted", size: 12 }, title: { font: { color: "@muted", size: 12 } },
  };
  const baseLayout = (layout) => {
    const narrow = printing || window.innerWidth < 760;
    const base = {
      font: { family: getComputedStyle(document.body).fontFamily, color: "@ink", size: 12 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: narrow ? 44 : 56, r: narrow ? 6 : 16, t: 8, b: 34 },
      hovermode: "x unified", dragmode: coarse ? false : "zoom",
      hoverlabel: { bgcolor: "@card", bordercolor: "@rule", font: { color: "@ink" } },
      legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", font: { color: "@muted" } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@equity" },
      bargap: 0.25,
    };
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) base[key] = axis;
    base.xaxis = { ...axis, showgrid: false };
    base.yaxis = axis;
    const whole = merged(base, layout);
    if (narrow && whole.xaxis.nticks) whole.xaxis.nticks = 4;
    return whole;
  };

  const config = {
    responsive: true, displaylogo: false, displayModeBar: coarse ? false : "hover",
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]], showTips: false,
  };

  const draw = (element) => {
    let made = drawn.get(element);
    if (made === undefined) {
      made = JSON.parse(document.getElementById(element.dataset.figure).textContent);
      drawn.set(element, made);
    }
    let layout = baseLayout(made.layout);
    const boxes = element.closest(".card").querySelectorAll("[data-switch]");
    for (const box of boxes) {
      const one = made.switches[Number(box.dataset.switch)];
      if (one) layout = merged(layout, box.checked ? one.on : one.off);
    }
    const height = Number.parseInt(element.style.height, 10);
    if (printing) layout = { ...layout, width: PAPER_WIDTH, height, autosize: false };
    Plotly.react(element, painted(made.data, false), painted(layout, false), config);
  };

  const plots = [...document.querySelectorAll(".plot")];
  const drawAll = () => plots.filter((one) => one.offsetParent !== null).forEach(draw);
  const redraw = () => [...drawn.keys()].filter((one) => one.offsetParent !== null).forEach(draw);

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
      }
    },
    { rootMargin: "300px" },
  );
  plots.forEach((one) => watcher.observe(one));

  for (const select of document.querySelectorAll(".tools select")) {
    const parts = select.closest(".card").querySelectorAll(".choice");
    const show = () => {
      parts.forEach((part, number) => { part.hidden = number !== select.selectedIndex; });
      draw(parts[select.selectedIndex].querySelector(".plot"));
    };
    select.addEventListener("change", show);
    if (select.selectedIndex > 0) show(); // a browser that comes back to the page keeps what was picked
  }
  for (const box of document.querySelectorAll("[data-switch]")) {
    box.addEventListener("change", () => draw(box.closest(".card").querySelector(".plot")));
  }
  dark.addEventListener("change", redraw);
  for (const one of document.querySelectorAll("details")) one.addEventListener("toggle", redraw);
  window.addEventListener("beforeprint", () => {
    printing = true;
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    drawAll();
  });
  window.addEventListener("afterprint", () => { printing = false; redraw(); });
  window.backstopReport = { drawAll };
})();
